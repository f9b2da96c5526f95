"""The Huzhou card front as served: from received bytes to signed bytes.

Checks run in the order of the decision in docs/partners/huzhou.md: size, JSON, envelope, institution, signature,
repeat, time, parties, data. HTTP is 200 whenever a signed answer can be given.
"""

import asyncio
from datetime import datetime, timedelta

import structlog
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from tongka.crypto.sm2 import PublicKey
from tongka.days import ZONE
from tongka.endpoint import Endpoint, address_of
from tongka.errors import (
    BadSignature,
    Failed,
    Malformed,
    Refused,
    RepeatedWithOtherContents,
    Stale,
    TongkaError,
    UnknownParty,
)
from tongka.journeys.call import PAUSES_S, Call, Outcome
from tongka.journeys.looks import MAC_FAILURES_COUNT
from tongka.partners.huzhou import apdus, codec
from tongka.partners.huzhou.answers import answer_of, refusal_of
from tongka.partners.huzhou.codec import ParsedRequest, PartnerKey, SignMode
from tongka.partners.huzhou.fields import MAX_BODY_BYTES
from tongka.partners.huzhou.messages import OPERATIONS, Operation, operation_for
from tongka.partners.huzhou.operations import RUN
from tongka.store import audit, orders
from tongka.store.parties import Party
from tongka.store.sight import Sight, Wanted, look
from tongka.system import System
from tongka.traffic import REPEATED, Seen
from tongka.unbelieved import Unbelieved
from tongka.wire import read

ENDPOINT = "huzhou"
"""The name of the platform's signing key for this interface."""

PARTIES = (
    ("partner", "partner"),
    ("merchant", "merchant"),
    ("terminal", "terminal"),
    ("network", "network"),
    ("operator", "operator"),
    ("area", "area"),
    ("channel", "channel"),
)
"""Role in our administration, field of the envelope: checked in this order."""

JSON = "application/json;charset=UTF-8"

log = structlog.get_logger()


def routes(system: System) -> list[BaseRoute]:
    """The twelve operations, to be mounted under /cardfront."""
    front = CardFrontServer(system)
    return [Route("/{name}/V1", Endpoint(front.respond, MAX_BODY_BYTES, JSON), methods=["POST"])]


class CardFrontServer:
    """Serves one system; holds nothing between requests but parsed public keys and how much was refused this minute."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._keys: dict[tuple[str, str], PartnerKey] = {}
        self._unbelieved = Unbelieved(system, ENDPOINT)
        self._tells_apdus = apdus.are_told()

    async def respond(self, scope: Scope, body: bytes) -> bytes | None:
        """The answer to a message as it came; None where its path names no operation."""
        name = scope["path_params"]["name"]
        return await self.answer(name, body, address_of(scope)) if name in OPERATIONS else None

    async def answer(self, name: str, body: bytes, address: str = "") -> bytes:
        """The answer's bytes to a message posted under an operation's name; never raises for what was sent."""
        seen = Seen(ENDPOINT, name, address)
        try:
            return await self._answer(name, body, seen)
        finally:
            self._system.traffic.end(seen)

    async def _answer(self, name: str, body: bytes, seen: Seen) -> bytes:
        mode = SignMode.EMPTY
        try:
            parsed = codec.parse_request(body)
            seen.party = parsed.envelope.institution
            party = self._active("institution", seen.party)
            mode = SignMode(party.sign_mode)
            self._verify(parsed, party)
            seen.believed = True
            return await self._repeat_or_run(name, parsed, mode, seen)
        except TongkaError as error:
            self._system.traffic.refused(seen, error)
            if isinstance(error, Refused):
                await self._note(seen.party, name, error, believed=seen.believed)
            return await self._seal_error(error, mode)
        except Exception:
            log.exception("request failed", operation=name, institution=seen.party)
            seen.code = Failed.code
            return await self._seal_error(Failed("internal error"), mode)

    async def _repeat_or_run(self, name: str, parsed: ParsedRequest, mode: SignMode, seen: Seen) -> bytes:
        envelope = parsed.envelope
        seen.number = f"{envelope.date}-{envelope.serial}"
        request = f"huzhou|{envelope.institution}|{envelope.date}|{envelope.serial}"
        digest = codec.contents_digest(parsed) + name.encode()
        for pause_s in PAUSES_S:
            now = self._system.clock()
            sight = await look(self._system.database, _wanted(parsed, request, now))
            if sight.reply is not None:
                if sight.reply.digest != digest:
                    raise RepeatedWithOtherContents("joininstssn was used before on this reqdate with other contents")
                seen.code = REPEATED
                return sight.reply.body
            try:
                return await self._run(name, parsed, mode, digest, sight, now, seen)
            except (orders.AlreadyAnswered, orders.MovedMeanwhile):
                await asyncio.sleep(pause_s)
        raise orders.MovedMeanwhile("the order is being moved by another request; ask again")

    async def _run(  # noqa: PLR0917 - what is known of the request by now
        self, name: str, parsed: ParsedRequest, mode: SignMode, digest: bytes, sight: Sight, now: datetime, seen: Seen
    ) -> bytes:
        seen.card_no, seen.order_no = sight.wanted.card_no, sight.wanted.order_no
        _require_fresh(parsed, now, self._system.settings.city.replay_window_s)
        self._require_parties(parsed)
        operation = operation_for(name, parsed.data) or OPERATIONS[name]
        if self._tells_apdus:
            apdus.tell_ran(operation.name, parsed.data)
        call = Call(
            system=self._system,
            actor=parsed.envelope.institution,
            request=sight.wanted.request,
            digest=digest,
            at=now,
            channel=parsed.envelope.channel,
            terminal=_terminal(parsed.envelope.terminal),
            seal=lambda outcome: self._seal(operation, seen.of(outcome), mode),
            sight=sight,
        )
        try:
            message = read(operation.request, parsed.data)
            return await RUN[operation.name](call, message)
        except Refused as error:
            detail = f"card {sight.wanted.card_no}: {error}"
            return await call.answer(error, f"refused {operation.name}: {error.code}", detail)

    async def _seal(self, operation: Operation, outcome: Outcome | TongkaError, mode: SignMode) -> bytes:
        if isinstance(outcome, TongkaError):
            return await self._seal_error(outcome, mode)
        if self._tells_apdus:
            apdus.tell_to_run(operation.name, outcome.commands)
        result, text, data = answer_of(operation, outcome)
        return await self._sign(codec.answer_text(result, text, data), mode)

    async def _seal_error(self, error: TongkaError, mode: SignMode) -> bytes:
        return await self._sign(codec.answer_text(*refusal_of(error)), mode)

    async def _sign(self, text: bytes, mode: SignMode) -> bytes:
        signature = await self._system.hsm.sign(ENDPOINT, codec.text_to_sign(text, mode))
        return codec.put_sign(text, signature)

    async def _note(self, institution: str, name: str, error: Refused, *, believed: bool) -> None:
        """What is refused before it has a reply of its own leaves one row in the audit trail."""
        try:
            if not believed:
                await self._unbelieved.note(name, institution, error)
                return
            await audit.record(
                self._system.database,
                at=self._system.clock(),
                actor=institution,
                action=f"refused {name}",
                subject=error.code,
                detail=str(error),
            )
        except TongkaError:
            log.exception("refusal not audited", operation=name)

    def _verify(self, parsed: ParsedRequest, party: Party) -> None:
        """By the institution's key, or by its next one while it changes over."""
        try:
            codec.verify(parsed, self._key(party.public_key, party.sign_mode))
        except BadSignature:
            if not party.next_public_key:
                raise
            codec.verify(parsed, self._key(party.next_public_key, party.sign_mode))

    def _key(self, point: str, mode: str) -> PartnerKey:
        found = self._keys.get((point, mode))
        if found is None:
            found = self._keys[point, mode] = PartnerKey(PublicKey(bytes.fromhex(point)), SignMode(mode))
        return found

    def _require_parties(self, parsed: ParsedRequest) -> None:
        for role, name in PARTIES:
            self._active(role, getattr(parsed.envelope, name))

    def _active(self, role: str, name: str) -> Party:
        party = self._system.parties.find(role, name)
        if party is None or not party.active:
            raise UnknownParty(role, name)
        return party


def _wanted(parsed: ParsedRequest, request: str, now: datetime) -> Wanted:
    """What to look for, as far as the message names it; whether it may is checked later."""

    def named(field: str) -> str:
        value = parsed.data.get(field)
        return value if isinstance(value, str) else ""

    return Wanted(
        request=request,
        institution=parsed.envelope.institution,
        card_no=named("cardno"),
        order_no=named("orderno"),
        payment_order=named("payorderno"),
        since=now - MAC_FAILURES_COUNT,
    )


def _require_fresh(parsed: ParsedRequest, now: datetime, window_s: int) -> None:
    """Known ids are answered at any age; new ones only within the window of their time stamp."""
    day, time = parsed.envelope.date, parsed.envelope.time
    try:
        sent = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=ZONE)
    except ValueError as error:
        raise Malformed("reqdate", "with reqtime must be a moment, YYYYMMDD and HHMMSS") from error
    if abs(now - sent) > timedelta(seconds=window_s):
        raise Stale(
            f"reqdate and reqtime are more than {window_s} s from the platform's {now.astimezone(ZONE):%H:%M:%S}"
        )


def _terminal(number: str) -> bytes:
    """`termid` filled with zeros on the left to 12 digits."""
    try:
        return bytes.fromhex(number.rjust(12, "0"))
    except ValueError as error:
        raise Malformed("termid", "is at most 12 hexadecimal digits") from error
