"""The Local Agent: it carries out one session of IF5 for one device.

A message that is not answered is sent again, the very same, for five minutes; an order is obeyed once, when its report
has been answered.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from tongka.errors import Failed, Malformed, Refused
from tongka.sandbox.wallet import seram
from tongka.sandbox.wallet.faults import Step
from tongka.sandbox.wallet.phone import Phone
from tongka.sandbox.wallet.seram import Order, RamCommand, Report, Status

RETRY_FOR_S = 300.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0
TIMEOUT_S = 45.0
"""Above the server's long poll of 30 s."""
ROUNDS_MAX = 500

Sleep = Callable[[float], Awaitable[object]]


class SessionGone(Refused):
    """The server does not know the session."""

    code = "session_gone"


class NothingInCommon(Refused):
    """The server takes none of the elements, formats or versions offered."""

    code = "nothing_in_common"


class Unreachable(Failed):
    """No answer in five minutes."""

    code = "unreachable"


REFUSALS: dict[int, type[Refused]] = {404: SessionGone, 406: NothingInCommon}


@dataclass(slots=True)
class Ended:
    """What a session came to.

    Attributes:
        notices: what the server wanted the app to know, in order.
        executed: commands that an element has executed, or may have.

    """

    notices: list[str] = field(default_factory=list)
    executed: int = 0

    @property
    def notice(self) -> str:
        """The last, which tells how it ended."""
        return self.notices[-1] if self.notices else ""


class LocalAgent:
    """Runs sessions on a phone.

    Args:
        http: opens connections; any base URL is ignored.
        seram_url: up to and with ``/gp/seram``.
        sleep: waits so many seconds.

    """

    def __init__(self, http: httpx.AsyncClient, seram_url: str, phone: Phone, sleep: Sleep = asyncio.sleep) -> None:
        self._http = http
        self._url = seram_url.rstrip("/")
        self._phone = phone
        self._sleep = sleep

    async def run(self, session_id: str, ended: Ended | None = None) -> Ended:
        """From the handshake to the server's stop; `ended` fills up on the way, also when this raises.

        Raises:
            PhoneDied: by the phone's faults.
            SessionGone, NothingInCommon, Unreachable: see there.
            Malformed: the server breaks the protocol.

        """
        ended = Ended() if ended is None else ended
        self._phone.reach(Step.HANDSHAKE)
        await self._post("handshake", session_id, seram.handshake(self._phone.elements))
        report = seram.POLL
        for _ in range(ROUNDS_MAX):
            order = await self._exchange(session_id, report)
            await self._sleep(order.delay_ms / 1000)
            stop, report = self._obey(order, ended)
            if stop:
                return ended
        raise Malformed("session", f"it did not end within {ROUNDS_MAX} rounds")

    async def _exchange(self, session_id: str, report: Report) -> Order:
        """Send a report, as often as the faults want; the answers have to be the same."""
        self._phone.reach(Step.REPORT)
        answers = [
            await self._post("remoteManagement", session_id, report.body) for _ in range(1 + self._phone.faults.repeats)
        ]
        self._phone.reach(Step.ORDER)
        if report.round is not None and len(set(answers)) != 1:
            raise Malformed("order", "a repeated report was answered otherwise")
        return seram.read_order(answers[-1])

    # --- obeying ------------------------------------------------------------------------------------------------------

    def _obey(self, order: Order, ended: Ended) -> tuple[bool, Report]:
        """Carry out an order's commands one by one; whether it was the last, and what to report."""
        faults, answers = self._phone.faults, []
        number = order.round if faults.with_round else None
        for command in order.commands:
            if command.kind in seram.STOP:
                return True, seram.POLL  # no further report
            if command.kind == seram.NOTIFY:
                ended.notices.append(command.notice)
            elif command.kind == seram.RUN:
                if faults.says is not None:
                    return False, Report(faults.says, error="as the simulator was told", round=number)
                if order.element is None or order.element.se_id not in self._phone.elements:
                    return False, Report(Status.UNAVAILABLE_SE, error="no such secure element", round=number)
                answers.append(self._run(order.element.se_id, command, ended))
        status = Status.PROCESSED if order.commands else Status.POLLING
        if any(b"" in one for one in answers):
            status = Status.UNKNOWN_FAILURE
        return False, Report(status, tuple(answers), len(answers), round=number)

    def _run(self, se_id: str, command: RamCommand, ended: Ended) -> tuple[bytes, ...]:
        """All answers; from the first that is not to be had on, they are empty."""
        answers: list[bytes] = []
        apdus = command.parsed()
        for apdu in apdus:
            ended.executed += 1
            answer = self._phone.transmit(se_id, apdu)
            if answer is None:
                break
            answers.append(answer.raw)
        return tuple(answers) + (b"",) * (len(apdus) - len(answers))

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _post(self, path: str, session_id: str, body: bytes) -> bytes:
        waited, pause = 0.0, FIRST_RETRY_S
        while True:
            answer = await self._once(path, session_id, body)
            if answer is not None:
                return answer
            if waited >= RETRY_FOR_S:
                raise Unreachable(f"no answer from {self._url}/{path} in {RETRY_FOR_S:.0f} s")
            await self._sleep(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_RETRY_S)

    async def _once(self, path: str, session_id: str, body: bytes) -> bytes | None:
        """One attempt; None where it may be made again."""
        faults = self._phone.faults
        faults.messages += 1
        number = faults.messages
        if faults.lost(number):
            return None
        try:
            answer = await self._http.post(
                f"{self._url}/{path}",
                params={"sessionId": session_id},
                content=body,
                headers={"Content-Type": "application/json"},
                timeout=TIMEOUT_S,
            )
        except httpx.TransportError:
            return None
        if faults.answer_lost(number) or answer.status_code >= 500:
            return None
        if answer.status_code != 200:
            kind = REFUSALS.get(answer.status_code, Refused)
            raise kind(f"{path}: HTTP {answer.status_code} {answer.text[:200]}")
        return answer.content
