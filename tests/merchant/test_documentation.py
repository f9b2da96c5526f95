"""docs/merchant.md says what the code does: its fare table is read, its states are the table's."""

import re
from datetime import date
from pathlib import Path

from tongka.fares import Ride, Spent, parse_fare_table, price
from tongka.journeys.trades import SEND_AT_ONCE
from tongka.merchant.serve import BODY_MAX, RECORDS_MAX
from tongka.trips import TRADE_MOVES, GateRole, TradeState, TripKind

PAGE = (Path(__file__).parents[2] / "docs" / "merchant.md").read_text(encoding="utf-8")


def test_the_example_is_a_fare_table():
    table = parse_fare_table(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    assert price(table, Ride("metro", "太湖", "南浔", 0, 0, date(2026, 1, 2)), Spent())[0] == 400


def test_the_moves_of_trades_are_the_tables():
    printed = dict(re.findall(r"^\| `(\w+)` \| [^|]*\|([^|]*)\|$", PAGE.split("trade states")[1], re.MULTILINE))
    assert set(printed) == set(TradeState)
    for state in TradeState:
        moves = [f"{event} → `{target}`" for (source, event), target in TRADE_MOVES.items() if source is state]
        assert sorted(filter(None, map(str.strip, printed[state].split(",")))) == sorted(moves), state


def test_every_kind_and_role_is_told():
    for word in (*TripKind, *GateRole):
        assert f"`{word}`" in PAGE


def test_the_limits_are_the_codes():
    assert f"up to {RECORDS_MAX:,}," in PAGE
    assert f"{BODY_MAX >> 20} MiB" in PAGE
    assert f"up to {SEND_AT_ONCE} trades" in PAGE
