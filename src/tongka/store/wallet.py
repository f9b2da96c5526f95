"""Cards in phones: where they are, IF4's orders with their sessions, and the rounds of IF5."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from tongka.errors import Busy
from tongka.store import cards, elements, orders
from tongka.store.cards import CardRow
from tongka.store.db import Database
from tongka.store.elements import Element
from tongka.store.guesses import MAC_FAILURES
from tongka.store.orders import Order


class Business(StrEnum):
    """What can be done with a card in a phone."""

    OPEN = "OPEN"
    TOPUP = "TOPUP"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    LOCK = "LOCK"
    UNLOCK = "UNLOCK"


class Standing(StrEnum):
    """How far an order of IF4 is. `UNKNOWN` goes on at the next handshake; the last three are final."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({Standing.DONE, Standing.FAILED, Standing.CANCELLED})


class CardPlace(StrEnum):
    """Where a card in a phone is in its life."""

    OPENING = "opening"
    LIVE = "live"
    LOCKED = "locked"
    GONE = "gone"


class AlreadyAccepted(Busy):
    """The same order was accepted while this one was under way; look it up."""

    code = "already_accepted"


@dataclass(frozen=True, slots=True)
class WalletCard:
    """A card that is, or is to be, in a phone."""

    card_no: str
    issuer_id: str
    institution: str
    device_id: str
    se_id: str
    state: CardPlace
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletOrder:
    """One row; the columns' meaning stands beside them in 0040_wallet.sql."""

    institution: str
    server_order_id: str
    digest: bytes
    session_id: str
    business: Business
    issuer_id: str
    device_id: str
    card_no: str
    amount_fen: int
    created_at: datetime
    contacted_at: datetime
    fee_fen: int = 0
    holder_type: int | None = None
    elements: tuple[str, ...] = ()
    state: Standing = Standing.ACCEPTED
    reason: str = ""
    sale_no: str = ""
    load_no: str = ""
    se_id: str = ""
    se_type: str = ""
    round: int = 0
    greeted: bool = False
    program: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an order to open a card brings besides: the card, and its orders."""

    card: CardRow
    orders: Sequence[Order]


_NAMES = tuple(field.name for field in fields(WalletOrder))
_SELECT = f"SELECT {', '.join(_NAMES)} FROM wallet_order"  # noqa: S608 - our own names


def _wallet_order(values: dict[str, Any]) -> WalletOrder:
    typed = {
        "business": Business(values["business"]),
        "state": Standing(values["state"]),
        "elements": tuple(values["elements"]),
    }
    return WalletOrder(**values | typed)


# --- cards ------------------------------------------------------------------------------------------------------------

_CARD = "SELECT card_no, issuer_id, institution, device_id, se_id, state, opened_at FROM wallet_card"


def _card(row: asyncpg.Record) -> WalletCard:
    return WalletCard(**dict(row) | {"state": CardPlace(row["state"])})


async def find_card(database: Database, card_no: str) -> WalletCard | None:
    row = await database.read_row(f"{_CARD} WHERE card_no = $1", card_no)
    return _card(row) if row else None


async def cards_of_device(database: Database, device_id: str) -> list[WalletCard]:
    """The cards in a device, the latest first."""
    rows = await database.read(
        f"{_CARD} WHERE device_id = $1 AND state IN ('live', 'locked') ORDER BY opened_at DESC", device_id
    )
    return [_card(row) for row in rows]


async def place_card(database: Database, card_no: str, state: CardPlace, se_id: str) -> None:
    """Note where a card is."""
    await database.fetch_joined(
        "WITH placed AS (UPDATE wallet_card SET state = $2, se_id = $3 WHERE card_no = $1) SELECT true",
        card_no,
        state.value,
        se_id,
    )


async def other_card_in(database: Database, se_id: str, card_no: str) -> str | None:
    """The card in use that an element holds on our books, unless it is this one."""
    number: str | None
    (number,) = await database.read_joined(
        "SELECT (SELECT card_no FROM wallet_card WHERE se_id = $1 AND state IN ('live', 'locked') AND card_no <> $2)",
        se_id,
        card_no,
    )
    return number


_LIVES = """
WITH gone AS (
    UPDATE wallet_card SET state = 'gone' WHERE se_id = $1 AND state IN ('live', 'locked') AND card_no <> $2
    RETURNING card_no
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, 'wallet', 'card displaced', card_no, $2 FROM gone
), lives AS (
    UPDATE wallet_card SET state = 'live', se_id = $1
    WHERE card_no = $2 AND (SELECT count(*) FROM gone) >= 0  -- which has to be first: an element has one live card
)
SELECT true
"""


async def card_lives(database: Database, card_no: str, se_id: str, at: datetime) -> None:
    """A card has proved that it is in an element. An element has one instance: an earlier card is gone from it.

    What was on that one stays on the books, until it is paid out as a lost card's.
    """
    await database.fetch_joined(_LIVES, se_id, card_no, at)


# --- orders of IF4 ----------------------------------------------------------------------------------------------------

_PLACES = ", ".join(f"${n}" for n in range(1, len(_NAMES) + 1))
_ACCEPT = f"INSERT INTO wallet_order ({', '.join(_NAMES)}) VALUES ({_PLACES})"  # noqa: S608 - our own names

_ADD_CARD = """
INSERT INTO wallet_card (card_no, issuer_id, institution, device_id, state, opened_at)
VALUES ($1, $2, $3, $4, 'opening', $5)
"""


async def accept(database: Database, order: WalletOrder, opening: Opening | None = None) -> None:
    """Take an order, and with an opening its card and its orders; all or nothing.

    Raises:
        AlreadyAccepted: an order of this id is there.
        PaymentClaimed: the payment pays for something else.

    """
    values: list[Any] = [getattr(order, name) for name in _NAMES]
    try:
        async with database.transaction() as connection:
            await connection.execute(_ACCEPT, *values)
            if opening:
                await cards.register_on(connection, [opening.card])
                await connection.execute(
                    _ADD_CARD, order.card_no, order.issuer_id, order.institution, order.device_id, order.created_at
                )
                for one in opening.orders:
                    await orders.create_on(connection, one, order.institution)
            await connection.execute(
                "INSERT INTO audit (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)",
                order.created_at,
                order.institution,
                f"wallet {order.business.value}",
                order.server_order_id,
                order.card_no,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "server_order_exists":
            raise AlreadyAccepted(f"order {order.server_order_id} was accepted meanwhile") from error
        if error.constraint_name == "payment_already_claimed":
            raise orders.PaymentClaimed("The payment already pays for another order") from error
        raise


async def by_server_order(database: Database, institution: str, server_order_id: str) -> WalletOrder | None:
    row = await database.read_row(
        f"{_SELECT} WHERE institution = $1 AND server_order_id = $2", institution, server_order_id
    )
    return _wallet_order(dict(row)) if row else None


async def latest_of_number(database: Database, institution: str, server_order_id: str) -> WalletOrder | None:
    """The latest order of that number, of an institution or, if it is empty, of any."""
    row = await database.read_row(
        f"{_SELECT} WHERE server_order_id = $2 AND ($1 = '' OR institution = $1) ORDER BY created_at DESC LIMIT 1",
        institution,
        server_order_id,
    )
    return _wallet_order(dict(row)) if row else None


_SESSION = f"""
SELECT {", ".join(f"o.{name}" for name in _NAMES)}, {", ".join(f"c.{name}" for name in cards.COLUMNS)}, e.*,
    ARRAY(SELECT m FROM orders m WHERE m.card_no = o.card_no
        AND (m.state IN ('2', '4', '6', '7', '9') OR m.order_no IN (o.sale_no, o.load_no))),
    {MAC_FAILURES.format(card_no="o.card_no", since="$2")}
FROM (SELECT 1) AS one LEFT JOIN (
    wallet_order o JOIN card c USING (card_no) CROSS JOIN LATERAL (
        SELECT {", ".join(elements.COLUMNS)}, holder, held_until FROM secure_element s
        WHERE s.device_id = o.device_id AND (o.elements = '{{}}' OR s.se_id = ANY (o.elements))
        ORDER BY s.se_id <> o.se_id, s.se_id LIMIT 1
    ) AS e
) ON o.session_id = $1
"""  # noqa: S608 - our own names
_CARD_FROM, _ELEMENT_FROM = len(_NAMES), len(_NAMES) + len(cards.COLUMNS)
_ELEMENT_TO = _ELEMENT_FROM + len(elements.COLUMNS)


@dataclass(frozen=True, slots=True)
class Session:
    """All that a round looks at.

    Attributes:
        element: the handshake's, else the device's first that the order allows.
        holder: the session whose commands went to the element last, and until when others wait for it; empty if none.
        orders: its own, by number, and the one of the card that has a command under way.
        mac_failures: of the card, since the moment asked for.

    """

    order: WalletOrder
    card: CardRow
    element: Element
    holder: str
    held_until: datetime | None
    orders: dict[str, Order]
    mac_failures: int

    @property
    def holds(self) -> bool:
        """Whether nobody else's commands went to the element since this session's."""
        return self.holder == self.order.session_id

    def is_kept_out(self, at: datetime) -> bool:
        """Whether another session works at the element."""
        return bool(self.holder) and not self.holds and self.held_until is not None and self.held_until > at


async def session(database: Database, session_id: str, failures_since: datetime) -> Session | None:
    """A session, in one statement."""
    values = tuple(await database.read_joined(_SESSION, session_id, failures_since))
    if values[0] is None:
        return None
    holder, held_until, open_ones, mac_failures = values[_ELEMENT_TO:]
    return Session(
        _wallet_order(dict(zip(_NAMES, values, strict=False))),
        CardRow(*values[_CARD_FROM:_ELEMENT_FROM]),
        Element(*values[_ELEMENT_FROM:_ELEMENT_TO]),
        holder,
        held_until,
        {row["order_no"]: orders.order_of_record(row) for row in open_ones},
        mac_failures,
    )


async def touch(database: Database, session_id: str, at: datetime) -> None:
    """The session lives on from this moment."""
    await database.fetch_joined(
        "WITH touched AS (UPDATE wallet_order SET contacted_at = $2 WHERE session_id = $1) SELECT true", session_id, at
    )


async def greet(database: Database, session_id: str, element: tuple[str, str], at: datetime) -> None:
    """Note a handshake and the element (type, id) that it chose."""
    await database.fetch_joined(
        "WITH greeted AS (UPDATE wallet_order SET se_type = $2, se_id = $3, contacted_at = $4, greeted = true"
        " WHERE session_id = $1) SELECT true",
        session_id,
        *element,
        at,
    )


async def silent(database: Database, before: datetime, reason: str) -> int:
    """Orders under way that were not heard of since a moment become unknown; how many."""
    tag = await database.execute(
        "UPDATE wallet_order SET state = 'unknown', reason = $2 WHERE state = 'running' AND contacted_at < $1",
        before,
        reason,
    )
    return int(tag.split()[-1])


async def follow(database: Database) -> int:
    """Top-ups that another's session or people have found on the card are done; how many."""
    tag = await database.execute(
        "UPDATE wallet_order w SET state = 'done', reason = '' FROM orders o WHERE w.state = 'unknown'"
        " AND w.business = 'TOPUP' AND o.card_no = w.card_no AND o.order_no = w.load_no AND o.state IN ('5', '8')"
    )
    return int(tag.split()[-1])


async def finish(database: Database, order: WalletOrder, state: Standing, reason: str) -> bool:
    """End an order from outside its session, which lets go of its element; False where it ended otherwise."""
    tag = await database.execute(
        "WITH freed AS (UPDATE secure_element SET holder = '', held_until = NULL"
        " WHERE device_id = $5 AND holder = $6)"
        " UPDATE wallet_order SET state = $3, reason = $4 WHERE institution = $1 AND server_order_id = $2"
        " AND state NOT IN ('done', 'failed', 'cancelled')",
        order.institution,
        order.server_order_id,
        state.value,
        reason,
        order.device_id,
        order.session_id,
    )
    return tag == "UPDATE 1"
