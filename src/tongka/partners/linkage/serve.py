"""The Linkage OneCard API as served: from received bytes to answered bytes.

Checks run in this order: size, JSON, form of the fields, token (with channel and address), limits, repeat, parties,
data. HTTP is 200 for every answer; 413 over 64 KiB, 405 and 404 otherwise.
"""

import asyncio
from dataclasses import replace
from functools import partial

import structlog
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from tongka.endpoint import Endpoint, address_of
from tongka.errors import Refused, RepeatedWithOtherContents, TongkaError
from tongka.journeys.call import PAUSES_S, Call, Outcome
from tongka.journeys.limits import Limits
from tongka.journeys.looks import MAC_FAILURES_COUNT
from tongka.partners.linkage import codec, limits
from tongka.partners.linkage.answers import answer_of, refusal_of
from tongka.partners.linkage.channels import Channels
from tongka.partners.linkage.fields import MAX_BODY_BYTES
from tongka.partners.linkage.messages import OPERATIONS, Operation, Request
from tongka.partners.linkage.operations import RUN
from tongka.store import audit, channel_parties, orders
from tongka.store.channels import ChannelRow
from tongka.store.sight import Wanted, look
from tongka.system import System
from tongka.traffic import REPEATED, Seen
from tongka.wire import read

JSON = "application/json;charset=UTF-8"
NO_TERMINAL = "000000000000"

log = structlog.get_logger()


def routes(system: System) -> list[BaseRoute]:
    """The eleven operations at their printed paths."""
    server = OneCardServer(system)
    return [
        Route(path, Endpoint(partial(server.respond, path), MAX_BODY_BYTES, JSON), methods=["POST"])
        for path in OPERATIONS
    ]


class OneCardServer:
    """Serves one system; holds nothing between requests but the channels and this minute's counts."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._channels = Channels(system)
        self._limits = Limits(system)

    async def respond(self, path: str, scope: Scope, body: bytes) -> bytes:
        """The answer to a message as it came."""
        return await self.answer(path, body, address_of(scope))

    async def answer(self, path: str, body: bytes, address: str) -> bytes:
        """The answer's bytes to a message posted to an operation's path; never raises for what was sent."""
        seen = Seen("linkage", path, address)
        try:
            return await self._answer(path, body, seen)
        finally:
            self._system.traffic.end(seen)

    async def _answer(self, path: str, body: bytes, seen: Seen) -> bytes:
        operation = OPERATIONS[path]
        actor = ""
        try:
            fields = codec.parse(body)
            message = read(operation.request, fields)
            channel = await self._channels.who(fields, message.channel_named(), seen.address)
            seen.believed, seen.party = True, channel.row.domain
            actor = f"linkage/{channel.row.domain}"
            await limits.count(self._limits, channel.row, message.terminal_named())
            return await self._repeat_or_run(operation, message, fields, actor, channel.row, seen)
        except TongkaError as error:
            self._system.traffic.refused(seen, error)
            if actor and isinstance(error, Refused):
                await self._note(actor, path, error)
            return refusal_of(error)
        except Exception:
            log.exception("request failed", operation=path, actor=actor)
            seen.code = TongkaError.code
            return refusal_of(TongkaError("internal error"))

    async def _repeat_or_run(  # noqa: PLR0917 - what is known of the request by now
        self, operation: Operation, message: Request, fields: codec.Fields, actor: str, channel: ChannelRow, seen: Seen
    ) -> bytes:
        memory = message.memory()
        seen.number, seen.card_no, seen.order_no = memory or "", message.card_named(), message.trade_named()
        call = Call(
            system=self._system,
            actor=actor,
            request=f"{actor}{operation.path}|{memory}" if memory else "",
            digest=codec.digest(operation.path, fields) if memory else b"",
            at=self._system.clock(),
            channel=channel.channel,
            terminal=bytes.fromhex(message.terminal_named() or NO_TERMINAL),
            seal=lambda outcome: _seal(operation, seen.of(outcome)),
            closes_by_counter=True,
        )
        for pause_s in PAUSES_S:
            sight = await look(self._system.database, _wanted(call, message)) if message.card_named() else None
            if sight and sight.reply:
                if sight.reply.digest != call.digest:
                    raise RepeatedWithOtherContents("this answer of the card was used before with other contents")
                seen.code = REPEATED
                return sight.reply.body
            if channel.known_parties_only and (named := message.parties_named()):
                await channel_parties.require_known(self._system.database, channel.domain, named)
            try:
                return await RUN[operation.request](replace(call, sight=sight), message)
            except (orders.AlreadyAnswered, orders.MovedMeanwhile):
                await asyncio.sleep(pause_s)
        raise orders.MovedMeanwhile("the order is being moved by another request; ask again")

    async def _note(self, actor: str, path: str, error: Refused) -> None:
        """Refusals of known channels are audited; what anybody may send is only logged."""
        try:
            await audit.record(
                self._system.database,
                at=self._system.clock(),
                actor=actor,
                action=f"refused {path}",
                subject=error.code,
            )
        except TongkaError:
            log.exception("refusal not audited", operation=path)


def _wanted(call: Call, message: Request) -> Wanted:
    return Wanted(
        request=call.request,
        institution=call.actor,
        card_no=message.card_named(),
        order_no=message.trade_named(),
        payment_order="",
        since=call.at - MAC_FAILURES_COUNT,
        standing=True,
    )


async def _seal(operation: Operation, outcome: Outcome | TongkaError) -> bytes:
    if isinstance(outcome, TongkaError):
        return refusal_of(outcome)
    return answer_of(operation.answer, outcome)
