"""Secure elements that we may manage, and the card numbers to give out for them."""

from dataclasses import dataclass, fields

from tongka.errors import Failed
from tongka.store.db import Database


class NumbersUsedUp(Failed):
    """The issuer has no card numbers left; add a range."""

    code = "numbers_used_up"


@dataclass(frozen=True, slots=True)
class Element:
    """A secure element; `keys` are sealed, `cplc` is what the chip of the latest channel told, None if none did."""

    se_id: str
    device_id: str
    scp: str
    key_version: int
    security_domain: bytes
    keys: bytes
    cplc: bytes | None = None


COLUMNS = tuple(field.name for field in fields(Element))
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM secure_element"  # noqa: S608 - our own names


_RANGES = "SELECT issuer_id, profile, prefix, digits, last_serial, closed FROM card_range"


@dataclass(frozen=True, slots=True)
class CardRange:
    """The numbers of one issuer: `prefix` and a serial of so many digits; `closed`: it gives out no more."""

    issuer_id: str
    profile: str
    prefix: str
    digits: int
    last_serial: int
    closed: bool = False


async def add_element(database: Database, element: Element) -> None:
    """Take an element onto our books; one that is there stays as it is."""
    await database.execute(
        "INSERT INTO secure_element (se_id, device_id, scp, key_version, security_domain, keys)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        element.se_id,
        element.device_id,
        element.scp,
        element.key_version,
        element.security_domain,
        element.keys,
    )


async def elements_of(database: Database, device_id: str) -> list[Element]:
    """The elements of a device, by their identifiers."""
    (rows,) = await database.read_joined(
        f"SELECT ARRAY(SELECT ROW({', '.join(COLUMNS)}) FROM secure_element"  # noqa: S608 - our own names
        " WHERE device_id = $1 ORDER BY se_id)",
        device_id,
    )
    return [Element(*row) for row in rows]


async def every(database: Database, device_id: str = "") -> list[Element]:
    """Every element, or those of one device, by device and identifier."""
    rows = await database.read(f"{_SELECT} WHERE $1 IN ('', device_id) ORDER BY device_id, se_id", device_id)
    return [Element(*row) for row in rows]


_RETIRE = """
WITH held AS (
    SELECT card_no FROM wallet_card WHERE se_id = $1 AND state IN ('live', 'locked')
), ordered AS (
    SELECT o.server_order_id FROM wallet_order o JOIN secure_element s USING (device_id)
    WHERE s.se_id = $1 AND o.state IN ('accepted', 'running', 'unknown')
        AND (o.se_id = $1 OR (o.se_id = '' AND (o.elements = '{}' OR $1 = ANY (o.elements))))
), retired AS (
    DELETE FROM secure_element WHERE se_id = $1 AND NOT EXISTS (SELECT FROM held) AND NOT EXISTS (SELECT FROM ordered)
    RETURNING se_id
)
SELECT EXISTS (SELECT FROM retired) AS retired, (SELECT card_no FROM held LIMIT 1) AS card_no,
    (SELECT min(server_order_id) FROM ordered) AS order_id
"""


@dataclass(frozen=True, slots=True)
class Retired:
    """Whether an element left the books; if not, the card that lives in it, or an order that is under way."""

    retired: bool
    card_no: str | None
    order_id: str | None


async def retire(database: Database, se_id: str) -> Retired:
    """Take an element off the books with its keys and what it was known by; it may be added again."""
    row = await database.fetchrow(_RETIRE, se_id)
    return Retired(**dict(row or {}))


async def add_range(database: Database, numbers: CardRange) -> None:
    """Give an issuer numbers; an issuer that has some keeps them."""
    await database.execute(
        "INSERT INTO card_range (issuer_id, profile, prefix, digits, last_serial) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        numbers.issuer_id,
        numbers.profile,
        numbers.prefix,
        numbers.digits,
        numbers.last_serial,
    )


async def find_range(database: Database, issuer_id: str) -> CardRange | None:
    row = await database.read_row(f"{_RANGES} WHERE issuer_id = $1", issuer_id)
    return CardRange(*row) if row else None


async def issuers(database: Database) -> list[CardRange]:
    """Every issuer with its numbers."""
    return [CardRange(*row) for row in await database.read(f"{_RANGES} ORDER BY issuer_id")]


_CHANGE = """
UPDATE card_range SET profile = $2, prefix = $3, digits = $4, last_serial = $5, closed = false,
    next_serial = greatest(
        CASE WHEN (prefix, digits) = ($3, $4) THEN next_serial ELSE 1 END,
        (SELECT coalesce(max(right(card_no, $4)::bigint), 0) + 1 FROM card
         WHERE starts_with(card_no, $3) AND length(card_no) = length($3) + $4)
    )
WHERE issuer_id = $1
"""


async def change_range(database: Database, numbers: CardRange) -> bool:
    """Other numbers from now on, behind every one of theirs that a card has; False where there is no such issuer."""
    tag = await database.execute(
        _CHANGE, numbers.issuer_id, numbers.profile, numbers.prefix, numbers.digits, numbers.last_serial
    )
    return tag == "UPDATE 1"


async def close_range(database: Database, issuer_id: str) -> bool:
    """Give out no more numbers; False where there is no such issuer."""
    return await database.execute("UPDATE card_range SET closed = true WHERE issuer_id = $1", issuer_id) == "UPDATE 1"


async def allot(database: Database, issuer_id: str) -> str:
    """The issuer's next card number; it never comes back.

    Raises:
        NumbersUsedUp: there is none.

    """
    number: str | None = await database.fetchval(
        "UPDATE card_range SET next_serial = next_serial + 1 WHERE issuer_id = $1 AND next_serial <= last_serial"
        " RETURNING prefix || lpad((next_serial - 1)::text, digits, '0')",
        issuer_id,
    )
    if number is None:
        raise NumbersUsedUp(f"issuer {issuer_id} has no card numbers left; add a range")
    return number
