"""The runbook: each command in a `console` block of its pages is run as it stands, in an installation of production."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from tongka.crypto import sm2

PAGES = Path(__file__).parents[2] / "docs" / "operating"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
FOUND = 1
"""Exit code of commands that found something; 2 is a mistake, also of a command that was written wrong."""


def commands_of(page: str) -> list[list[str]]:
    text = (PAGES / page).read_text("utf-8")
    lines = [line.strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    return [
        shlex.split(line.removeprefix("$ tongka "), comments=True) for line in lines if line.startswith("$ tongka ")
    ]


@pytest.fixture
def follow(office, postgres, scratch, tmp_path):
    """Type the commands of a page: passphrases from files, and what a page can only name put in its place."""
    owner = tmp_path / "owner.toml"
    owner.write_text(f"mode = 'production'\n[database]\nurl = '{postgres.url_of(scratch)}'\n")
    with (tmp_path / "cards.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("card number", "card type", "key version"), ("0000000000000001", "huzhou-city-3des", "1")]
        )
    key = sm2.public_key(sm2.generate()).compressed.hex().upper()
    places = {"/etc/tongka/owner.toml": owner, "cards.csv": tmp_path / "cards.csv", "PARTNER_KEY": key,
              "tongka": postgres.template}  # fmt: skip

    def passphrases(words: list[str]) -> list[str]:
        by = words[words.index("--operator") + 1] if "--operator" in words else ""
        if words[:2] != ["operator", "save"]:
            return ["--passphrase-file", str(office.folder / by)] if by else []
        own = ["--operator-passphrase-file", str(office.folder / by)] if by else []
        return ["--passphrase-file", str(office.folder / words[2]), *own]

    def type_all(page: str) -> None:
        for words in commands_of(page):
            typed = [str(places.get(word, word)) for word in words]
            as_owner = {"DATABASE_URL": ""} if str(owner) in typed else {}
            result = office.run(*typed, *passphrases(words), **as_owner)
            said = f"{page}: tongka {shlex.join(words)}\n{result.output}\n{result.exception!r}"
            assert result.exit_code in (0, FOUND), said
            assert result.exception is None or isinstance(result.exception, SystemExit), said

    return type_all


@pytest.fixture
def served(office, postgres, scratch):
    """From here on commands are run in the role that serves."""
    office.variables |= {"DATABASE_URL": postgres.serving_url_of(scratch)}
    return office


@pytest.fixture
def people():
    """Nobody yet: the page on installing lets the first operators in."""
    return []


def test_an_installation_as_the_page_says_has_people_keys_partners_and_cards(follow, served):
    follow("install.md")
    assert {one["name"] for one in served.json("operator", "list")} >= {"li", "wang"}
    (institution,) = [one for one in served.json("partner", "list") if one["role"] == "institution"]
    assert "90000001" in institution.values()
    assert served.json("card-stock", "show", "0000000000000001")
    assert json.loads(served.run("config", "check", "--live", "--json").stdout)["unsafe"] == []


@pytest.mark.parametrize("page", ["backup.md", "upgrade.md", "alarms.md", "retention.md"])
def test_the_commands_of_the_other_pages_can_be_typed(follow, served, page):
    assert commands_of(page)
    follow(page)
