"""docs/card.md says what the code does: the card types, the cuts, the commands."""

from pathlib import Path

import pytest

from tongka.card.files import File15
from tongka.card.profiles import PROFILES
from tongka.cli.card import app
from tongka.money import format_yuan

PAGE = (Path(__file__).parents[2] / "docs" / "card.md").read_text(encoding="utf-8")
FILE15 = File15.parse(bytes.fromhex("01023360FFFFFFFF02010310488060000012345620240101204012310000"))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_card_type_has_its_row(profile):
    cells = [
        f"`{profile.name}`",
        profile.algorithm.label,
        profile.asn_prefix[20 - profile.card_no_digits :],
        profile.card_no_digits,
        len(profile.factors(FILE15)),
        format_yuan(profile.wallet_max_fen),
        f"{format_yuan(profile.topup_min_fen)}–{format_yuan(profile.topup_max_fen)}",
        format_yuan(profile.deposit_fen),
    ]
    assert "| " + " | ".join(map(str, cells)) + " |" in PAGE


def test_no_card_type_is_described_that_is_not_there():
    table = PAGE.split("## Card types")[1].split("## ")[0]
    assert sum(line.startswith("| `") for line in table.splitlines()) == len(PROFILES)


def test_each_command_is_described():
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    described = {
        line.split("`")[1].removeprefix("tongka card ") for line in PAGE.splitlines() if "| `tongka card" in line
    }
    assert names == described
