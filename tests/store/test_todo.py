"""All that waits for people: every kind is found with its age, and nothing waits where all is done."""

from datetime import date, datetime, timedelta

import pytest

from tongka.days import ZONE
from tongka.store import days, todo
from tongka.store.stamp import Stamp
from tongka.store.todo import KINDS, Waiting

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=ZONE)
OLD = NOW - timedelta(days=3)

ORDER = """
INSERT INTO orders (card_no, order_no, kind, state, amount_fen, payment_method, institution, channel, created_at,
                    moved_at, settlement_date, return_type)
VALUES ($1, $1, $2, $3, 1000, '01', 'I', '10', $4, $4, '2026-11-18', $5)
"""


async def look(database) -> dict[str, Waiting]:
    found = await todo.waiting(database, NOW, NOW.date(), NOW - timedelta(days=2))
    return {one.name: one for one in found}


async def test_nothing_waits_in_a_new_installation(database):
    assert await look(database) == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_says_what_waits_and_how_to_go_on(kind):
    assert kind.sentence
    assert "tongka" in kind.remedy or "operator" in kind.remedy or "institution" in kind.remedy


async def test_orders_wait_by_their_state(database):
    for number, kind, state, at, return_type in (
        ("1", "topup", "9", OLD, ""), ("2", "topup", "9", NOW, ""), ("3", "topup", "C", OLD, ""),
        ("4", "return", "1", OLD, "1"), ("5", "return", "1", NOW, "1"), ("6", "topup", "5", OLD, ""),
    ):  # fmt: skip
        await database.execute(ORDER, number, kind, state, at, return_type)
    await database.execute(
        "INSERT INTO decision (card_no, order_no, attempt, credited, proposed_by, proposed_at, reason)"
        " VALUES ('2', '2', 0, true, 'li', $1, 'seen')", NOW,
    )  # fmt: skip
    found = await look(database)
    assert {name: (one.first, one.things, one.amount_fen, one.since) for name, one in found.items()} == {
        "orders_to_decide": ("1", 1, 1000, OLD),
        "orders_to_confirm": ("2", 1, 1000, NOW),
        "refunds_refused": ("3", 1, 1000, OLD),
        "bad_cards_due": ("4", 1, 1000, OLD),
    }


async def test_proposals_batches_operators_and_open_days_wait(database):
    await database.execute("INSERT INTO operator (name, salt, digest, active, saved_by, saved_at)"
                           " VALUES ('sun', '', '', false, 'li', $1)", OLD)  # fmt: skip
    await database.execute("INSERT INTO proposal VALUES ('prepaid supply', 'x', 'li', $1), ('old', 'y', 'li', $2)",
                           OLD, NOW - timedelta(days=9))  # fmt: skip
    await database.execute("INSERT INTO card_batch VALUES ('B', '', 1, 0, 500, true, 'li', $1)", OLD)
    await database.execute("INSERT INTO transfer (kind, debit, credit, amount_fen, reason, posted_at, business_date)"
                           " VALUES ('single', 7, 1, 5, 'opening', $1, '2026-11-18')", OLD)  # fmt: skip
    found = await look(database)
    assert {name: (one.first, one.things, one.since) for name, one in found.items()} == {
        "proposals": ("prepaid supply: x", 1, OLD),
        "card_batches": ("B", 1, OLD),
        "operators": ("sun", 1, OLD),
        "days_open": ("2026-11-18", 1, OLD),
    }
    for day in (18, 19, 20):
        await days.shut(database, date(2026, 11, day), Stamp(NOW, NOW.date(), "li"))
    assert "days_open" not in await look(database)
