"""Who is locked out, and how an operator lifts it."""

from datetime import UTC, datetime

import pytest

from tongka.store.guesses import GROUP, RECHARGE, Scope, count_mac_failure, count_wrong, of_card, of_domain, of_terminal

CARD, OTHER = "3104880600000000001", "3104880600000000002"
TERMINALS = [of_terminal(RECHARGE, domain, "0000000002FF") for domain in ("3300", "330")]


@pytest.fixture
async def locks(database):
    """Two cards, two domains, and a terminal of each, all locked."""
    now = datetime.now(UTC)
    names = [of_domain(RECHARGE, "3300"), of_domain(GROUP, "330"), of_card(GROUP, CARD), *TERMINALS]
    await count_wrong(database, [Scope(name, 1) for name in names], now, "01")
    for card in (CARD, OTHER):
        for _ in range(5):
            await count_mac_failure(database, card, now, 5)
    await count_wrong(database, [Scope("operator li", 5)], now, "cli:li")


def out(office):
    return {row["name"]: row["wrong"] for row in office.json("channel", "locked")}


def test_all_that_is_locked_is_listed_and_nothing_else(office, locks):
    assert out(office) == {
        "group card " + CARD: 1,
        "group domain 330": 1,
        "mac card " + CARD: 5,
        "mac card " + OTHER: 5,
        "recharge domain 3300": 1,
        "recharge terminal 330 0000000002ff": 1,
        "recharge terminal 3300 0000000002ff": 1,
    }
    assert office.json("card-stock", "locked") == office.json("channel", "locked")


async def test_an_operator_lifts_a_domain_with_its_terminals_and_nothing_else(office, locks, database):
    result = office.run("channel", "unlock", "3300", "--reason", "a new clerk", by="wang")
    assert (result.exit_code, "2 counts are forgotten" in result.stdout) == (0, True)
    assert out(office).keys() == {
        "group card " + CARD,
        "group domain 330",
        "mac card " + CARD,
        "mac card " + OTHER,
        "recharge terminal 330 0000000002ff",
    }
    rows = await database.read("SELECT actor, subject, detail FROM audit WHERE action = 'lift lock' ORDER BY subject")
    assert [tuple(row) for row in rows] == [
        ("wang", "recharge domain 3300", "a new clerk"),
        ("wang", "recharge terminal 3300 0000000002ff", "a new clerk"),
    ]


def test_an_operator_lifts_one_card(office, locks):
    assert office.run("card-stock", "unlock", CARD, "--reason", "reader was broken", by="li").exit_code == 0
    assert {name for name in out(office) if "card" in name} == {"mac card " + OTHER}


@pytest.mark.parametrize("command", [("channel", "unlock", "3300"), ("card-stock", "unlock", CARD)])
def test_nobody_lifts_a_lock_without_a_name_and_a_reason(office, locks, command):
    before = out(office)
    nameless = office.run(*command, "--reason", "x")
    assert (nameless.exit_code, "operator_needed" in nameless.stderr) == (2, True)
    groundless = office.run(*command, "--reason", " ", by="li")
    assert (groundless.exit_code, "--reason" in groundless.stderr) == (2, True)
    assert out(office) == before
