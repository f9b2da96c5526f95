"""Virtual cards as their issuers told us of them (Alipay 4.2.4). Each change is one statement.

The issuer's own clock orders its messages: an older one than the last changes nothing, so that messages which arrive
late or shuffled leave the card as the newest one says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tongka.errors import Refused
from tongka.store.db import Database
from tongka.virtual_card import CardAction, CardChange


@dataclass(frozen=True, slots=True)
class VirtualCard:
    """One row; `balance` and `card_data` (hex) are the issuer's texts, `last_update_time` his clock in Asia/Shanghai,
    without a zone.
    """

    user_id: str
    card_type: str
    card_no: str
    card_data: str
    balance: str
    disabled: bool
    disabled_code: str
    disabled_tips: str
    ext_info: str
    last_update_time: datetime
    deleted: bool


class VirtualCardMissing(Refused):
    """The rider has no such card, or it was revoked."""

    code = "virtual_card_missing"


class VirtualCardTaken(Refused):
    """The number belongs to another rider's card."""

    code = "virtual_card_taken"


class StaleUpdate(Refused):
    """A newer message about this card was taken before."""

    code = "stale_update"


_NAMES = (
    "user_id, card_type, card_no, card_data, balance, disabled, disabled_code, disabled_tips, ext_info,"
    " last_update_time, deleted"
)

_AUDIT = """
INSERT INTO audit (at, actor, action, subject, detail) SELECT $11, $12, $13, card_type || ' ' || card_no, user_id
FROM changed
"""

_END = """
DELETE FROM ride_credential r USING changed c
WHERE (r.user_id, r.card_type, r.card_no) = (c.user_id, c.card_type, c.card_no) AND (c.disabled OR $13 = 'REVOKE')
"""
"""A card that makes no codes any more has no credential; should it come back, it gets a new one."""

_ISSUE = f"""
WITH changed AS (
    INSERT INTO virtual_card (user_id, card_type, card_no, last_update_time, card_data, balance, disabled,
                              disabled_code, disabled_tips, ext_info, updated_at)
    VALUES ($1, $2, $3, $4, coalesce($5, ''), coalesce($6, ''), coalesce($7, false), coalesce($8, ''),
            coalesce($9, ''), coalesce($10, ''), $11)
    ON CONFLICT (card_type, card_no) DO UPDATE SET
        last_update_time = excluded.last_update_time, card_data = excluded.card_data, balance = excluded.balance,
        disabled = excluded.disabled, disabled_code = excluded.disabled_code, disabled_tips = excluded.disabled_tips,
        ext_info = excluded.ext_info, updated_at = excluded.updated_at, deleted = false
    WHERE virtual_card.user_id = excluded.user_id AND virtual_card.last_update_time <= excluded.last_update_time
    RETURNING user_id, card_type, card_no, disabled
), ended AS ({_END}), audited AS ({_AUDIT}) SELECT count(*) FROM changed
"""  # noqa: S608 - our own constants

_CHANGE = f"""
WITH changed AS (
    UPDATE virtual_card SET
        last_update_time = $4, card_data = coalesce($5, card_data), balance = coalesce($6, balance),
        disabled = coalesce($7, disabled), disabled_code = coalesce($8, disabled_code),
        disabled_tips = coalesce($9, disabled_tips), ext_info = coalesce($10, ext_info), updated_at = $11,
        deleted = $13 = 'REVOKE'
    WHERE user_id = $1 AND card_type = $2 AND card_no = $3 AND last_update_time <= $4
      AND (NOT deleted OR ($13 = 'REVOKE' AND last_update_time = $4))
    RETURNING user_id, card_type, card_no, disabled
), ended AS ({_END}), audited AS ({_AUDIT}) SELECT count(*) FROM changed
"""  # noqa: S608 - our own constants

_PAGE = f"""
SELECT {_NAMES} FROM virtual_card
WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR card_type = $2) AND ($3 = '' OR card_no = $3)
  AND card_type = ANY($4) AND ($5 OR NOT deleted)
ORDER BY card_type, card_no LIMIT $6
"""  # noqa: S608 - our own constants


async def change(database: Database, told: CardChange, *, actor: str, at: datetime) -> None:
    """Take what an issuer says of a card.

    Raises:
        VirtualCardMissing: update or revoke of a card that is not there.
        VirtualCardTaken: issue of a number that another rider has.
        StaleUpdate: older than what was taken before.

    """
    sql = _ISSUE if told.action is CardAction.ISSUE else _CHANGE
    done = await database.fetchval(
        sql,
        told.user_id,
        told.card_type,
        told.card_no,
        told.last_update_time,
        told.card_data,
        told.balance,
        told.disabled,
        told.disabled_code,
        told.disabled_tips,
        told.ext_info,
        at,
        actor,
        told.action.value,
    )
    if not done:
        await _refuse(database, told)


async def _refuse(database: Database, told: CardChange) -> None:
    row = await database.read_row(
        f"SELECT {_NAMES} FROM virtual_card WHERE card_type = $1 AND card_no = $2",  # noqa: S608 - our own constants
        told.card_type,
        told.card_no,
    )
    known = VirtualCard(*row) if row else None
    if known and known.user_id != told.user_id and told.action is CardAction.ISSUE:
        raise VirtualCardTaken("card_no: the number belongs to another rider's card")
    if known and known.user_id == told.user_id and known.last_update_time > told.last_update_time:
        raise StaleUpdate(f"last_update_time: the card was updated as of {known.last_update_time:%Y-%m-%d %H:%M:%S}")
    raise VirtualCardMissing("card_no: the rider has no such card")


async def of_rider(database: Database, user_id: str, card_no: str) -> VirtualCard | None:
    """A rider's card of that number that was not revoked; the newest, should two types share it."""
    row = await database.read_row(
        f"SELECT {_NAMES} FROM virtual_card WHERE user_id = $1 AND card_no = $2 AND NOT deleted"  # noqa: S608
        " ORDER BY updated_at DESC LIMIT 1",
        user_id,
        card_no,
    )
    return VirtualCard(*row) if row else None


async def search(
    database: Database,
    *,
    of_types: Sequence[str],
    user_id: str = "",
    card_type: str = "",
    card_no: str = "",
    deleted: bool = False,
    limit: int,
) -> list[VirtualCard]:
    """Cards of an issuer's types; empty texts ask for everything, `deleted` for the revoked ones too."""
    rows = await database.read(_PAGE, user_id, card_type, card_no, list(of_types), deleted, limit)
    return [VirtualCard(*row) for row in rows]
