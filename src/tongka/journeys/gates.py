"""What gates bring in: their journals, and the reading of these."""

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta

from tongka.code.layout import parse_code
from tongka.code.record import parse_record, record_mac
from tongka.days import ZONE
from tongka.errors import MacWrong, Malformed, Refused, Stale
from tongka.store import gates, taps
from tongka.store.gates import Gate, Part, Unread, Uploaded
from tongka.store.taps import NewTap, Reading, Unreadable
from tongka.system import System

READ_AT_ONCE = 2_000
FUTURE = timedelta(minutes=5)
"""How far a gate's clock may be ahead of ours; a record from later than that is never charged."""


def token_digest(token: str) -> bytes:
    """What is kept of a gate's token. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


async def upload(system: System, gate: Gate, part: Part) -> Uploaded:
    """Store a part of a gate's journal; what it says is read later. A gate cannot speak for the time to come.

    Raises:
        JournalGap: records before these are missing.
        RepeatedWithOtherContents: a serial was used before.

    """
    now = system.clock()
    if part.told_until is not None:
        part = replace(part, told_until=min(part.told_until, now))
    return await gates.append(system.database, gate.gate_id, part, now)


async def read_journals(system: System) -> int:
    """Read what gates uploaded; answers how many taps were new."""
    new = 0
    for gate in await gates.every(system.database):
        if gate.next_reading < gate.next_serial:
            new += await _read(system, gate)
    return new


async def _read(system: System, gate: Gate) -> int:
    now = system.clock()
    good: list[NewTap] = []
    bad: list[Unreadable] = []
    unread = await gates.unread(system.database, gate, READ_AT_ONCE)
    for one in unread:
        try:
            good.append(read_record(one, gate.gate_id, now))
        except Refused as error:
            bad.append(Unreadable(one.serial, error.code, str(error)))
    return await taps.store(system.database, gate, Reading(good, bad, unread[-1].serial), now)


def read_record(unread: Unread, gate_id: str, now: datetime) -> NewTap:
    """What a record says. Signatures are for settlement, which checks all of it again; damage is seen here.

    Raises:
        Malformed: it is no record, or another gate's.
        MacWrong: it was damaged.
        Stale: it comes from the future.
        CodeRefused: the code in it cannot be read.

    """
    record = parse_record(unread.record.hex())
    code = parse_code(record.code)
    if not hmac.compare_digest(record_mac(code.user_id, record.covered), record.mac):
        raise MacWrong("the record's MAC does not match: it was damaged after the gate wrote it")
    if record.pos_id != gate_id:
        raise Malformed("pos_id", f"is {record.pos_id!r}, not this gate's")
    at = datetime.fromtimestamp(record.at, ZONE)
    if at > now + FUTURE:
        raise Stale(f"the record's time {at:%F %T} lies in the future; set the gate's clock")
    return NewTap(
        user_id=code.user_id,
        card_type=code.shown_card_type,
        card_no=code.card_no,
        at=at,
        record_id=record.record_id,
        serial=unread.serial,
        code=hashlib.sha256(code.identity).digest(),
    )
