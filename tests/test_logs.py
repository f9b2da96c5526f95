"""The log: what the settings ask for, and never the values of variables."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from tongka import logs
from tongka.settings_monitoring import Log

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def as_before():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def fault():
    certificate_no = "000000197001010000"
    raise ValueError(f"a fault with {len(certificate_no)} digits")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_has_no_values_of_variables(capsys, form):
    logs.configure(Log(format=form))
    try:
        fault()
    except ValueError:
        log.exception("request failed", operation="cardSaleRequest")
    told = capsys.readouterr().err
    assert "a fault with 18 digits" in told
    assert "fault" in told
    assert "cardSaleRequest" in told
    assert "000000197001010000" not in told


def test_json_is_one_object_a_line(capsys):
    logs.configure(Log(format="json"))
    log.warning("prepaid balance is low", merchant="商户", balance_fen=7)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert {"event": "prepaid balance is low", "level": "warning", "merchant": "商户", "balance_fen": 7}.items() <= (
        told.items()
    )
    assert told["timestamp"]


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_written(capsys, level, told):
    logs.configure(Log(level=level, format="json"))
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("event")
    assert len(capsys.readouterr().err.splitlines()) == told


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_libraries_log_has_the_same_form_without_values_of_variables(capsys, form):
    logs.configure(Log(format=form))
    library = logging.getLogger("some.library")
    try:
        fault()
    except ValueError:
        library.warning("restoring %s failed", "it", exc_info=True)
    library.info("chatter")
    told = capsys.readouterr().err
    assert "restoring it failed" in told
    assert "a fault with 18 digits" in told
    assert "000000197001010000" not in told
    assert "chatter" not in told
    assert form == "text" or json.loads(told)["logger"] == "some.library"


def test_what_the_house_tells_itself_is_not_repeated_by_libraries(capsys):
    logs.configure(Log())
    logging.getLogger("asyncpg.pool").warning("Failed to restore the pool connection floor; retrying")
    assert capsys.readouterr().err == ""


def test_times_have_the_citys_offset(capsys):
    logs.configure(Log(format="json"))
    log.warning("event")
    at = datetime.fromisoformat(json.loads(capsys.readouterr().err)["timestamp"])
    assert at.utcoffset() == timedelta(hours=8)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
