"""Uploads: stored once whatever happens on the way, refused with what helps, and never another gate's."""

import asyncio

import msgspec
import pytest

from tongka.journeys.gates import read_journals
from tongka.store import gates
from tongka.store.gates import Part

URL = "http://127.0.0.1/merchant/records"


async def post(city, body, token=None):
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"authorization": f"Bearer {city.gates['bus1'].token if token is None else token}"}
    return await city.http.post(URL, content=content, headers=headers)


async def stored(city):
    return await city.system.database.read_value("SELECT count(*) FROM gate_record")


def records(city, count):
    made = []
    for _ in range(count):
        city.pass_time(seconds=5)
        made.append(city.show("bus1"))
    return made


async def test_a_journal_is_stored_and_goes_on(city):
    made = records(city, 5)
    assert (await post(city, {"first": 1, "records": made[:3]})).json() == {"stored": 3, "known": 0, "next": 4}
    assert (await post(city, {"first": 4, "records": made[3:]})).json() == {"stored": 2, "known": 0, "next": 6}


@pytest.mark.parametrize(("first", "last", "answer"), [(1, 3, (0, 3, 4)), (2, 5, (2, 2, 6)), (4, 5, (2, 0, 6))])
async def test_what_is_sent_twice_is_known(city, first, last, answer):
    made = records(city, 5)
    await post(city, {"first": 1, "records": made[:3]})
    again = await post(city, {"first": first, "records": made[first - 1 : last]})
    assert tuple(again.json().values()) == answer
    assert await stored(city) == answer[2] - 1


async def test_a_gap_is_refused_with_the_serial_to_go_on_from(city):
    made = records(city, 3)
    refused = await post(city, {"first": 2, "records": made[1:]})
    assert (refused.status_code, refused.json()["error"], refused.json()["next"]) == (409, "journal_gap", 1)
    assert await stored(city) == 0


async def test_a_serial_with_another_record_is_refused_and_nothing_of_it_stored(city):
    made = records(city, 3)
    await post(city, {"first": 1, "records": made[:1]})
    refused = await post(city, {"first": 1, "records": made[1:]})
    assert (refused.status_code, refused.json()["error"]) == (409, "repeated_with_other_contents")
    assert await stored(city) == 1


async def test_a_gate_may_ask_where_to_go_on(city):
    await post(city, {"first": 1, "records": records(city, 2)})
    answer = await city.http.get(URL, headers={"authorization": f"Bearer {city.gates['bus1'].token}"})
    assert answer.json() == {"gate_id": "bus1", "next": 3}


@pytest.mark.parametrize("token", ["", "x", "x" * 43])
async def test_without_a_gates_token_nothing_is_taken(city, token):
    assert (await post(city, {"first": 1, "records": ["00"]}, token)).status_code == 401
    assert (await city.http.get(URL)).status_code == 401


async def test_a_gate_out_of_service_may_not_upload(city):
    await gates.set_active(city.system.database, "bus1", active=False)
    assert (await post(city, {"first": 1, "records": ["00"]})).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        {"first": 1},
        {"first": 0, "records": []},
        {"first": 1, "records": ["xyz0"]},
        {"first": 1, "records": [""]},
        {"first": 1, "records": ["00"] * 5001},
        {"first": 1, "records": ["00" * 4096]},
        {"first": 1, "records": [], "more": 1},
        {"first": 1, "records": [], "complete_to": -1},
    ],
)
async def test_a_body_of_another_form_is_refused(city, body):
    assert (await post(city, body)).status_code == 400
    assert await stored(city) == 0


async def test_a_body_that_is_too_long_is_not_read(city):
    assert (await post(city, b" " * ((16 << 20) + 1))).status_code == 413


async def test_ten_uploads_of_the_same_at_once_store_it_once(city):
    made = records(city, 20)
    answers = await asyncio.gather(*(post(city, {"first": 1, "records": made}) for _ in range(10)))
    assert sorted(answer.json()["stored"] for answer in answers) == [0] * 9 + [20]
    assert await stored(city) == 20


async def test_damaged_foreign_future_and_repeated_records_are_kept_for_people(city):
    (good,) = records(city, 1)
    damaged = good[:-2] + ("00" if good[-2:] != "00" else "01")
    foreign = city.show("bus2")
    await post(city, {"first": 1, "records": [good, damaged, foreign, "00ff", good]})
    city.pass_time(hours=1)
    ahead = city.show("bus1")
    city.pass_time(hours=-1)
    await gates.append(city.system.database, "bus1", Part(6, [bytes.fromhex(ahead)]), city.now[0])
    assert await read_journals(city.system) == 1
    rows = await city.system.database.read("SELECT serial, code FROM gate_record_refused ORDER BY serial")
    assert [tuple(row) for row in rows] == [
        (2, "mac_wrong"),
        (3, "malformed"),
        (4, "malformed"),
        (5, "record_id_repeated"),
        (6, "stale"),
    ]
    assert await read_journals(city.system) == 0
