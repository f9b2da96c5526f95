"""Requests are counted and told of: a line each, cards masked, strangers at a bounded rate, counts that never fall."""

import json

import pytest
import structlog

from tongka import logs
from tongka.errors import BadSignature, Busy, Stale
from tongka.settings_monitoring import Log
from tongka.traffic import BOUNDS_S, UNPROVEN, WARNINGS_PER_MINUTE, Seen, Traffic, masked
from tongka.traffic_files import TrafficFile


@pytest.fixture(autouse=True)
def as_before():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def seen(operation="cardChargeRequest", **parts):
    one = Seen("huzhou", operation, "10.1.2.3")
    for name, value in parts.items():
        setattr(one, name, value)
    return one


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_is_one_line_with_its_card_masked(capsys):
    traffic = Traffic(Log(format="json"))
    traffic.end(seen(party="33010001", number="20261122-17", order_no="2026112200001", card_no="3105000012345678901"))
    (line,) = lines(capsys)
    ms, at = line.pop("ms"), line.pop("timestamp")
    assert line == {
        "event": "request", "level": "info", "interface": "huzhou", "operation": "cardChargeRequest",
        "institution": "33010001", "request": "20261122-17", "order": "2026112200001", "card": "3105***********8901",
        "code": "ok",
    }  # fmt: skip
    assert ms >= 0
    assert at.endswith("+08:00")


def test_text_is_one_line_whatever_a_stranger_claims_to_be(capsys):
    Traffic(Log(format="text")).end(seen(party="a\n2026 [error] all is lost\x1b[2J"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


@pytest.mark.parametrize("quiet", [Log(requests=False), Log(level="warning"), None])
def test_a_busy_city_may_do_without_lines_and_counts_all_the_same(capsys, quiet):
    traffic = Traffic(quiet)
    traffic.end(seen())
    assert capsys.readouterr().err == ""
    assert sum(traffic.counts["huzhou", "cardChargeRequest", "ok"][:-1]) == 1


@pytest.mark.parametrize(("card_no", "shown"), [("", ""), ("12345678", "********"), ("123456789", "1234*6789")])
def test_no_card_is_named(card_no, shown):
    assert masked(card_no) == shown


def test_results_are_counted_by_their_codes():
    traffic = Traffic()
    for error in (None, Stale("late"), Stale("late"), Busy("held")):
        one = seen(believed=True)
        if error:
            traffic.refused(one, error)
        traffic.end(one)
    assert {key[2]: sum(row[:-1]) for key, row in traffic.counts.items()} == {"ok": 1, "stale": 2, "busy": 1}


def test_strangers_are_told_of_at_a_bounded_rate_and_counted_all(capsys):
    logs.configure(Log(format="json"))
    traffic = Traffic(Log(requests=False))
    for _ in range(3 * WARNINGS_PER_MINUTE):
        traffic.refused(seen(party="x" * 1000), BadSignature("sign: does not verify"))
    told = lines(capsys)
    assert 0 < len(told) <= 2 * WARNINGS_PER_MINUTE  # the minute may turn meanwhile
    assert {(line["level"], line["address"], len(line["claims"])) for line in told} == {("warning", "10.1.2.3", 40)}
    assert sum(traffic.counts["huzhou", UNPROVEN, "bad_signature"][:-1]) == 3 * WARNINGS_PER_MINUTE


def test_who_is_believed_is_no_stranger(capsys):
    logs.configure(Log(format="json"))
    Traffic().refused(seen(believed=True), Stale("late"))
    assert lines(capsys) == []


def test_processes_put_their_counts_together_and_go_on_from_those_who_died(tmp_path):
    files = [TrafficFile(tmp_path, place) for place in (0, 1)]
    for file in files:
        traffic = Traffic(counts=file.before())
        traffic.end(seen())
        file.write(traffic)
    again = TrafficFile(tmp_path, 0)
    successor = Traffic(counts=again.before())
    successor.end(seen())
    ((key, row),) = again.all(successor).items()
    assert key == ("huzhou", "cardChargeRequest", "ok")
    assert sum(row[:-1]) == 3
    assert len(row) == len(BOUNDS_S) + 2


def test_one_process_needs_no_folder():
    traffic = Traffic()
    traffic.end(seen())
    assert TrafficFile().all(traffic) is traffic.counts
