"""What makes a trade of rides chargeable: its form, its age, and its records checked again in full. Pure.

A trade (脱机交易) rests on one offline record, on two (entry and exit), or on more (1.2). What the books decide (was
this code or record settled before, has the rider the money) stands in one statement of the store; everything before
that is here, in the order in which it is asked. Refusals are values, so that one bad trade never hides the
others of a list.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from tongka.code.keys import MasterKeys, parse_key_list
from tongka.code.layout import Format, RideCode
from tongka.code.reasons import CodeRefused
from tongka.code.record import OfflineRecord, parse_record
from tongka.code.verify import AT_SETTLEMENT, Terms, verify_record
from tongka.errors import MacWrong, Malformed, Refused, Stale

RECORDS_MAX: Final = 16
"""Of one trade. The document names no limit; a metro ride with changes between operators has three or four."""
CLOCK_TOLERANCE: Final = timedelta(seconds=AT_SETTLEMENT.early_s)
KEY_LISTS: Final = 4
"""Parsed lists that a process keeps."""


class Why(StrEnum):
    """Why a trade is not charged. All but the last two are final."""

    FORM = "form"
    SELLER_UNKNOWN = "seller_unknown"
    TRADE_TOO_OLD = "trade_too_old"
    TRADE_FROM_FUTURE = "trade_from_future"
    RECORD_BROKEN = "record_broken"
    RECORD_FROM_FUTURE = "record_from_future"
    CODE_REFUSED = "code_refused"
    USER_DIFFERS = "user_differs"
    RECORDS_ALIKE = "records_alike"
    RIDER_UNKNOWN = "rider_unknown"
    OTHER_CONTENTS = "other_contents"
    CODE_SETTLED = "code_settled"
    RECORD_SETTLED = "record_settled"
    MONEY_SHORT = "money_short"
    NOT_KNOWN = "not_known"


AGAIN: Final = frozenset({Why.MONEY_SHORT, Why.NOT_KNOWN})
"""Those for which the merchant is told to try again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why, and the sentence for people; `reason` is the gate library's name where it was the code."""

    why: Why
    text: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade as a merchant asks for it; `records` are hex texts, `seller` is who is paid."""

    user_id: str
    out_trade_no: str
    ordered_at: datetime
    subject: str
    amount_fen: int
    records: tuple[str, ...]
    context: str
    seller: str

    @property
    def digest(self) -> bytes:
        """Of its contents: a repeat has the same."""
        contents = (
            self.user_id,
            self.ordered_at.isoformat(),
            self.subject,
            self.amount_fen,
            [record.upper() for record in self.records],
            self.context,
            self.seller,
        )
        return hashlib.sha256(json.dumps(contents, ensure_ascii=False).encode()).digest()


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """A record that holds; `code` names the code whatever its bytes: SHA-256 of user, credential, generation time."""

    code: bytes
    user_id: str
    pos_id: str
    record_id: str
    at: int
    card_type: str
    card_no: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What records are held against; it travels to other processes, so the keys are their JSON list."""

    key_list: str
    card_types: frozenset[str]
    now: int


def refuse_unasked(trade: Trade, now: datetime, longest: timedelta, sellers: frozenset[str]) -> Refusal | None:
    """What can be told without looking into the records."""
    if not 1 <= len(trade.records) <= RECORDS_MAX:
        return Refusal(Why.FORM, f"records: 1 to {RECORDS_MAX} of them; one for a single ride, two for entry and exit")
    if trade.seller not in sellers:
        return Refusal(Why.SELLER_UNKNOWN, "seller_login_name is not one of this application's")
    if trade.ordered_at > now + CLOCK_TOLERANCE:
        return Refusal(Why.TRADE_FROM_FUTURE, "actual_order_time lies in the future")
    if trade.ordered_at < now - longest:
        return Refusal(Why.TRADE_TOO_OLD, f"rides are settled within {longest.days} days")
    return None


def check_record(text: str, amount_fen: int, conditions: Conditions) -> CheckedRecord | Refusal:
    """A record in full: both signatures, expiry, freshness at the record's time, limit, card type, checksum."""
    terms = Terms(_keys(conditions.key_list), conditions.now, conditions.card_types, amount_fen, AT_SETTLEMENT)
    try:
        record = parse_record(text)
        return _checked(record, verify_record(record, terms))
    except CodeRefused as error:
        return Refusal(Why.CODE_REFUSED, error.why, error.reason.name)
    except Stale as error:
        return Refusal(Why.RECORD_FROM_FUTURE, str(error))
    except (Malformed, MacWrong) as error:
        return Refusal(Why.RECORD_BROKEN, str(error))


@lru_cache(maxsize=KEY_LISTS)
def _keys(key_list: str) -> MasterKeys:
    return parse_key_list(key_list)


def _checked(record: OfflineRecord, code: RideCode) -> CheckedRecord:
    """What is kept of a record.

    Raises:
        Malformed: a name that no database keeps.

    """
    for name in (record.pos_id, record.record_id):
        if not name.isprintable():
            raise Malformed("record", "pos_id and record_id are printable text")
    kind = b"" if code.format is not Format.MINISTRY else b"ministry"
    return CheckedRecord(
        code=hashlib.sha256(kind + code.identity).digest(),
        user_id=code.user_id,
        pos_id=record.pos_id,
        record_id=record.record_id or hashlib.sha256(record.covered).hexdigest(),  # version 3 may come without one
        at=record.at,
        card_type=code.card_type,
        card_no=code.card_no,
    )


Asked = tuple[str, int]
"""A record and the fen of its trade."""


def check_records(conditions: Conditions, asked: Sequence[Asked]) -> list[CheckedRecord | Refusal]:
    """Many records, one by one; a process of its own may do it."""
    return [check_record(text, amount_fen, conditions) for text, amount_fen in asked]


def refuse_checked(
    trade: Trade, found: Sequence[CheckedRecord | Refusal], now: datetime, longest: timedelta
) -> Refusal | None:
    """What the records say about the trade."""
    records = [one for one in found if isinstance(one, CheckedRecord)]
    if len(records) < len(found):
        return next(one for one in found if isinstance(one, Refusal))
    if any(one.user_id != trade.user_id for one in records):
        return Refusal(Why.USER_DIFFERS, "user_id is not that of the code in the record")
    if len({(one.pos_id, one.record_id) for one in records}) < len(records):
        return Refusal(Why.RECORDS_ALIKE, "records: two have the same pos_id and record_id")
    if min(one.at for one in records) < (now - longest).timestamp():
        return Refusal(Why.TRADE_TOO_OLD, f"rides are settled within {longest.days} days")
    return None


def require_good(text: str, conditions: Conditions) -> CheckedRecord:
    """`record.verify`: the record alone, with no trade.

    Raises:
        Refused: as `check_record` says.

    """
    found = check_record(text, 0, conditions)
    if isinstance(found, Refusal):
        raise Refused(found.text)
    return found
