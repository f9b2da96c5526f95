"""IF5: each report is answered with the next order, and a repeated one with the very same bytes.

The order that a round gives out, and where the script then stands, commit in one statement that compares the round; of
two processes that answer the same report one wins, and both send its bytes. What the element answered may be lost, or
come twice, or belong to a script that another handshake has ended: in doubt the script looks at the card.

One session works at an element at a time: it holds the element from the order with commands that it gave out, until it
ends or is silent for `wallet.element_hold_s`. Others get void orders meanwhile; so does a second agent of the same
session, whose report of a round is another than the one that was answered. Whoever held it last and finds that
another did since has lost its channel and its card's selection, and begins anew.

An agent that cannot run anything (the element is not to be had, or it does not know why) moves nothing: the script
stands where it stood, and is taken up by a look at the card once the agent can.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from tongka.errors import Busy, CardError, Failed, MacWrong, Malformed, Refused
from tongka.journeys.debit import RETURNED
from tongka.journeys.looks import MAC_FAILURES_COUNT
from tongka.journeys.refusals import (
    AlreadyCharged,
    CardReportedError,
    OrderWithdrawn,
    StaleScript,
    TooManyWrongMacs,
)
from tongka.journeys.wallet import scripts, settle
from tongka.journeys.wallet.program import LOOKS_MAX, TAKEN_MAX, ElementRefuses, Heard, LookAgain, Program, Run, Said
from tongka.journeys.wallet.refusals import NoCommonGround, SessionUnknown
from tongka.orders import MoveForbidden
from tongka.store import cards, elements, rounds, wallet
from tongka.store.elements import Element
from tongka.store.orders import AnotherOpenOrder
from tongka.store.rounds import Advance
from tongka.store.wallet import FINAL, Business, Session, Standing, WalletOrder
from tongka.system import System

LONG_POLL = timedelta(seconds=30)
POLL_S = 0.5
KEPT = timedelta(days=30)
"""How long the rounds of a session are kept after its end, for complaints."""
VOID_DELAY_MS = 500
ASIDE_S = 0.5
"""How long a void order is held back where another session works at the element: its turn may be over soon."""
RACES_MAX = 5
OK = bytes.fromhex("9000")
RETRIED_FOR = timedelta(minutes=5)
PHONE_SILENT = "phone_silent"
FIRST_DELAY_MS, LONGEST_DELAY_MS = 500, 30_000
"""Until an agent that could not run anything is asked again: twice as long each time."""
MOVES_NO_MONEY = frozenset({Business.LOCK, Business.UNLOCK})
"""They wait for no other order."""
DECIDES = frozenset({"load.credit", "delete.debited", "settle.told"})
"""Phases whose answers are good however late they come: a TAC, and what answers the order's own challenge."""
REFUSALS_MAX = 3
"""So often an element may refuse what only it can do."""
FAILURES_MAX = 15
"""So many in a row, over five minutes in all, and the order waits for another handshake."""

AGAIN = (AlreadyCharged, StaleScript, MoveForbidden, CardReportedError, AnotherOpenOrder)
"""Refusals that say: the books or the card are not where the script thought."""
COMES_TO: tuple[tuple[tuple[type[Refused], ...], Standing], ...] = (
    ((MacWrong, TooManyWrongMacs), Standing.UNKNOWN),
    ((OrderWithdrawn,), Standing.CANCELLED),
    ((Refused,), Standing.FAILED),
)
"""What a refusal ends an order with; the first that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the agent reports.

    Attributes:
        digest: of its contents but the round.
        polling: it has run nothing.
        failure: what kept the agent from running commands, `localAgentStatusEnum` in lower case; empty if nothing did.
        error: what the agent says about that, for investigation.
        answers: of the element, in order; empty where one is not to be had.
        round: of the order that it answers; None for the latest.

    """

    digest: bytes
    polling: bool
    failure: str = ""
    error: str = ""
    answers: tuple[bytes, ...] = ()
    round: int | None = None

    @property
    def ran_nothing(self) -> bool:
        """For all that the agent knows; the element may have executed what it was sent."""
        return bool(self.failure) and not any(self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What an order message is to say; the partner's edge makes bytes of it."""

    round: int
    element: tuple[str, str]
    said: Said
    starts: bool
    delay_ms: int


log = structlog.get_logger()

Speak = Callable[[Saying], bytes]


async def handshake(system: System, session_id: str, offered: Sequence[tuple[str, str]]) -> None:
    """Choose the element, the first (type, id) offered that the order allows; a live session begins to look anew.

    Raises:
        SessionUnknown, NoCommonGround.

    """
    order = (await _session(system, session_id)).order
    allowed = {element.se_id for element in await _allowed(system, order)}
    chosen = next((one for one in offered if one[1] in allowed), None)
    if chosen is None:
        raise NoCommonGround(f"none of the secure elements offered belongs to device {order.device_id} and this order")
    await wallet.greet(system.database, session_id, chosen, system.clock())


async def exchange(system: System, session_id: str, report: Report, speak: Speak) -> bytes:
    """The order that answers a report.

    Raises:
        SessionUnknown: no such session, or it is too old.
        Malformed: the round is one that was never given out.
        Busy: the session was overtaken again and again.

    """
    for _ in range(RACES_MAX):
        body = await _exchange(system, session_id, report, speak)
        if body is not None:
            return body
    raise Busy("other sessions work at the secure element; send the report again")


async def _exchange(system: System, session_id: str, report: Report, speak: Speak) -> bytes | None:
    """The same; None where the order was ended, or the element taken, while this was at work."""
    found = await _session(system, session_id)
    order = found.order
    answered = order.round if report.round is None else report.round
    if not 0 <= answered <= order.round:
        raise Malformed("round", f"the latest order has round {order.round}")
    if answered < order.round and await _brought(system, order, report, answered + 1):
        return await _given(system, order, answered + 1)
    program = await _program(system, order)
    if order.state in FINAL and not program.ended:  # it was ended from outside
        stop = Said(state=order.state, reason=order.reason)
        return speak(Saying(round=order.round + 1, element=("", ""), said=stop, starts=False, delay_ms=0))
    if order.state not in FINAL and answered < order.round:
        return await _beside(system, order, answered, speak)
    if order.state in FINAL or (report.round is None and await _is_behind(system, order, program, report)):
        return await _given(system, order, order.round)
    return await _answer(Run(system, found, system.clock(), program), report, speak)


async def _answer(run: Run, report: Report, speak: Speak) -> bytes | None:
    """Carry the script on, and give its order out; where another process did so first, give that one's."""
    system, order, program = run.system, run.order, run.program
    if order.greeted:
        program.looks = program.failures = program.refusals = 0
        program.started, program.reason = False, ""
    said = await _with_patience(run, report)
    starts = not (program.started or said.void)
    program.started, program.void = program.started or starts, said.void
    saying = Saying(
        round=order.round + 1,
        element=(order.se_type or "eSE", run.element.se_id),
        said=said,
        starts=starts,
        delay_ms=VOID_DELAY_MS if said.wait else said.delay_ms,
    )
    body = speak(saying)
    silent_since = run.silent_since
    if said.commands and run.session.holder and not run.session.holds:
        program.taken = min(program.taken + 1, TAKEN_MAX)
    sealed = await system.hsm.seal(msgspec.msgpack.encode(program), _context(order))
    at, hold = system.clock(), timedelta(seconds=system.settings.wallet.element_hold_s)
    step = Advance(
        order=order,
        report=report.digest,
        body=body,
        program=sealed,
        state=said.state,
        reason=said.reason,
        at=at,
        element="" if said.void else run.element.se_id,
        held_until=at + hold if said.commands else None,
        silent_since=silent_since,
        cplc=run.proved,
    )
    if await rounds.advance(system.database, step):
        return body
    return await _overtaken(run, report, speak)


async def _overtaken(run: Run, report: Report, speak: Speak) -> bytes | None:
    """Another process answered the same report first, or another agent's of the same round; None where neither did."""
    answered, order = run.order.round, (await _session(run.system, run.order.session_id)).order
    if order.round == answered:
        return None
    if await _brought(run.system, order, report, answered + 1):
        return await _given(run.system, order, answered + 1)
    return await _beside(run.system, order, answered, speak)


async def _with_patience(run: Run, report: Report) -> Said:
    """The next step; where nothing can be done yet it is held back for a while (long poll)."""
    until = run.at + LONG_POLL
    said = await _step(run, report)
    if said.aside:
        await _pause(run, ASIDE_S)
        said = await _step(run, report)
    while said.wait and run.system.clock() + timedelta(seconds=POLL_S) < until:
        await _pause(run, POLL_S)
        said = await _step(run, report)
    return said


async def _pause(run: Run, seconds: float) -> None:
    """Wait, and read everything anew."""
    await asyncio.sleep(seconds)
    run.at = run.system.clock()
    run.session, run.moved = await _session(run.system, run.order.session_id), False


async def _step(run: Run, report: Report) -> Said:
    """One turn of the script; what it refuses becomes what the order comes to."""
    try:
        return await _turn(run, report)
    except (LookAgain, Failed):
        run.program.phase, run.program.sent = "", ()
        return Said(wait=True)
    except Refused as error:
        state = next(state for kinds, state in COMES_TO if isinstance(error, kinds))
        if state is Standing.FAILED and await _may_have_run(run):
            state = Standing.UNKNOWN
        return run.end(state, error.code)


async def _may_have_run(run: Run) -> bool:
    """Whether a command is out, and the right card may still say that it ran; or the card was debited already."""
    if settle.broken_off((await run.orders_now()).values()):
        return True
    row = await cards.find(run.system.database, run.order.card_no)
    return run.order.business is Business.DELETE and row is not None and row.status == RETURNED


async def _turn(run: Run, report: Report) -> Said:
    """Read the answers, or begin anew."""
    program = run.program
    if report.ran_nothing:
        return _stand(run, report)
    if not report.polling:
        _recovered(program)
    if report.polling or not (run.session.holds or program.phase in DECIDES) or not program.phase:
        return await _look(run)
    try:
        said = await scripts.PHASES[program.phase](run, Heard.pair(program.sent, report.answers))
    except MacWrong:
        raise
    except ElementRefuses as no:
        return await _refused(run, no.reason)
    except (LookAgain, CardError, *AGAIN):
        return await _look(run)
    return run.stand_aside(VOID_DELAY_MS) if said.commands and run.kept_out else said


async def _refused(run: Run, reason: str) -> Said:
    """Begin anew a few times; then what can end, ends."""
    run.program.refusals += 1
    give_up = scripts.GIVE_UP.get(run.order.business)
    if give_up is None or run.program.refusals < REFUSALS_MAX:
        return await _look(run)
    return await give_up(run, reason)


def _stand(run: Run, report: Report) -> Said:
    """Leave everything as it is, and ask again later; the commands may have been executed or not."""
    program = run.program
    log.warning("agent ran nothing", order=run.order.server_order_id, why=report.failure, said=report.error)
    delay_ms = min(FIRST_DELAY_MS << program.failures, LONGEST_DELAY_MS)
    program.failures += 1
    if program.failures > FAILURES_MAX:
        return run.end(Standing.UNKNOWN, report.failure)
    program.ended = False
    return Said(delay_ms=delay_ms)


def _recovered(program: Program) -> None:
    """The agent has run something again; it counts as a look, so that one that always fails half way is done with."""
    if program.failures:
        program.failures = 0
        program.looks += 1


async def _look(run: Run) -> Said:
    """Begin the script, after whatever broke off before it; while another session works at the element, wait."""
    if run.kept_out:
        return run.stand_aside(VOID_DELAY_MS)
    program = run.program
    if not program.failures:
        program.looks += 1
    program.ended, program.met, program.cplc = False, False, b""
    if program.looks > LOOKS_MAX:
        return run.end(Standing.UNKNOWN, "card_does_not_follow")
    standing = await run.orders()
    broken = settle.broken_off(standing.values())
    if broken and run.order.business not in MOVES_NO_MONEY:
        return await settle.ask(run, broken)
    return await scripts.STARTS[run.order.business](run, standing)


async def give_up_silent(system: System) -> int:
    """Orders whose phone has been silent for a session's life are unknown until it comes back; how many more.

    Those whose money is known by then are done.
    """
    life = timedelta(seconds=system.settings.wallet.session_s)
    silent = await wallet.silent(system.database, system.clock() - life, PHONE_SILENT)
    return silent - await wallet.follow(system.database)


async def forget(system: System) -> int:
    """Drop what was said in sessions that ended long ago; how many orders."""
    return await rounds.forget_rounds(system.database, system.clock() - KEPT)


# --- looking ----------------------------------------------------------------------------------------------------------


async def _session(system: System, session_id: str) -> Session:
    found = await wallet.session(system.database, session_id, system.clock() - MAC_FAILURES_COUNT)
    life = timedelta(seconds=system.settings.wallet.session_s)
    if found is None or system.clock() - found.order.contacted_at > life:
        raise SessionUnknown("there is no such session; submit the order again to get one")
    return found


async def _allowed(system: System, order: WalletOrder) -> list[Element]:
    of_device = await elements.elements_of(system.database, order.device_id)
    return [one for one in of_device if not order.elements or one.se_id in order.elements]


async def _is_behind(system: System, order: WalletOrder, program: Program, report: Report) -> bool:
    """Whether a report that names no round comes from an agent that has not seen the latest order."""
    if order.greeted:
        return False
    if report.polling and program.sent and not program.void:
        return True
    return await _is_repeated(system, order, program, report)


async def _is_repeated(system: System, order: WalletOrder, program: Program, report: Report) -> bool:
    """Whether a report that names no round is the one that brought the latest order: its answer was lost.

    The same bytes may answer two orders where all went well and nothing else was said, and where the element always
    says the same no; so a repeat is one for as long as agents try again.
    """
    well = len(report.answers) == len(program.sent) and set(report.answers) == {OK}
    if not any(report.answers) or well or system.clock() - order.contacted_at > RETRIED_FOR:
        return False
    return await rounds.round_report(system.database, order.session_id, order.round) == report.digest


async def _brought(system: System, order: WalletOrder, report: Report, number: int) -> bool:
    """Whether a round was given out for this very report; if not, another agent works in the same session."""
    return await rounds.round_report(system.database, order.session_id, number) == report.digest


async def _beside(system: System, order: WalletOrder, answered: int, speak: Speak) -> bytes:
    """A void order for an agent that another one of its session was faster than; the latest one if that is silent.

    Two that ran the same commands would break each other's channels. Its next report names the same round again.
    """
    if system.clock() - order.contacted_at >= timedelta(seconds=system.settings.wallet.element_hold_s):
        return await _given(system, order, order.round)
    return speak(Saying(round=answered, element=("", ""), said=Said(), starts=False, delay_ms=VOID_DELAY_MS))


async def _given(system: System, order: WalletOrder, number: int) -> bytes:
    """The order of a round, as it was given out."""
    body = await rounds.round_body(system.database, order.session_id, number)
    if body is None:
        raise SessionUnknown("the session ended before its first order")
    return body


async def _program(system: System, order: WalletOrder) -> Program:
    if order.program is None:
        return Program()
    return msgspec.msgpack.decode(await system.hsm.unseal(order.program, _context(order)), type=Program)


def _context(order: WalletOrder) -> bytes:
    return f"wallet session {order.session_id}".encode()
