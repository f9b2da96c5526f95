"""APDUs in the log: at level debug alone, and without what is the holder's."""

import pytest
import structlog

from tongka import logs
from tongka.card.apdu import Command
from tongka.partners.huzhou import apdus
from tongka.settings_monitoring import Log

NAME = "D5C5C8FD" + "00" * 51 + "9000"
RAN = {
    "apdulist": "00A4040008A000000632010105,00B0950000,00B0960000,00b0970000,805C000204",
    "apduresp": ["9000", "AA9000", NAME, "BB9000", "000013889000"],
}


@pytest.fixture
def written(capfd):
    """What is written at a level."""
    before = structlog.get_config()

    def at(level: str) -> str:
        logs.configure(Log(level=level))
        apdus.tell_ran("cardInfoQuery", RAN)
        apdus.tell_to_run("cardInfoQuery", (Command.parse(bytes.fromhex("805C000204")),))
        return capfd.readouterr().err

    yield at
    structlog.configure(**before)


def test_an_integrator_sees_what_a_card_ran_and_is_to_run(written):
    shown = written("debug")
    for one in ("cardInfoQuery", "00B0950000 -> AA9000", "00B0970000 -> BB9000", "805C000204 -> 000013889000"):
        assert one in shown
    assert "a card is to run" in shown


def test_the_holders_file_is_left_out(written):
    shown = written("debug")
    assert NAME not in shown
    assert "00B0960000 -> (left out)" in shown


def test_other_levels_show_nothing(written):
    assert written("info") == ""


@pytest.mark.parametrize("value", [None, 7, {"a": 1}, [], [None, 3], "", "zz"])
def test_what_is_no_list_of_apdus_harms_nothing(value, capfd):
    before = structlog.get_config()
    logs.configure(Log(level="debug"))
    try:
        apdus.tell_ran("cardInfoQuery", {"apdulist": value, "apduresp": value})
        apdus.tell_ran("cardInfoQuery", {"apdulist": value})
    finally:
        structlog.configure(**before)
    assert "Traceback" not in capfd.readouterr().err
