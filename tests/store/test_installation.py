"""The stamp in the database: made once, added to, compared at each start, exchanged by people only."""

import asyncio
from datetime import datetime

import pytest

from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.store import installation
from tongka.store.installation import accept, read, recognise, require_mode

NOW = datetime(2025, 6, 2, 12, tzinfo=ZONE)
KEYS = {"card/a/load/1": "A1B2C3", "endpoint/huzhou/1": "02AB"}


async def trail(database):
    rows = await database.read("SELECT actor, action, subject, detail FROM audit ORDER BY id")
    return [tuple(row) for row in rows]


async def test_the_first_start_stamps_and_the_next_finds_the_same(database):
    first = await recognise(database, "production", KEYS, NOW)
    assert await recognise(database, "production", KEYS, NOW) == first
    assert (first.mode, first.since) == ("production", NOW)
    assert (await read(database)).keys == KEYS
    assert await trail(database) == [("platform", "stamp installation", first.id, "production, 2 keys")]


async def test_processes_that_start_at_the_same_time_agree(database):
    found = await asyncio.gather(*(recognise(database, "sandbox", KEYS, NOW) for _ in range(8)))
    assert len(set(found)) == 1
    assert len(await trail(database)) == 1


async def test_of_two_stores_at_the_first_start_one_is_the_installations(database):
    both = (KEYS, {"card/a/load/1": "FFFFFF", "card/b/load/1": "000001"})
    found = await asyncio.gather(*(recognise(database, "sandbox", k, NOW) for k in both), return_exceptions=True)
    assert sum(isinstance(one, Misconfigured) for one in found) == 1
    assert (await read(database)).keys in both


@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        ("sandbox", KEYS),
        ("production", KEYS | {"card/a/load/1": "FFFFFF"}),
        ("production", {"card/a/load/1": "A1B2C3", "card/a/load/2": "123456"}),
        ("production", {}),
    ],
)
async def test_another_mode_or_store_is_refused_and_changes_nothing(database, mode, keys):
    await recognise(database, "production", KEYS, NOW)
    before = await read(database), await trail(database)
    with pytest.raises(Misconfigured):
        await recognise(database, mode, keys, NOW)
    assert (await read(database), await trail(database)) == before


async def test_all_that_is_wrong_is_told_at_once(database):
    await recognise(database, "production", KEYS, NOW)
    with pytest.raises(Misconfigured, match=r"mode: is sandbox.*\nkeys\.uri: the key store is not"):
        await recognise(database, "sandbox", {}, NOW)


async def test_a_new_version_is_added_and_audited_and_lacks_from_then_on(database):
    await recognise(database, "production", KEYS, NOW)
    more = KEYS | {"card/a/load/2": "D4E5F6"}
    await recognise(database, "production", more, NOW)
    assert (await trail(database))[1:] == [("platform", "key added", "card/a/load/2", "D4E5F6")]
    with pytest.raises(Misconfigured, match="lacks card/a/load/2"):
        await recognise(database, "production", KEYS, NOW)


async def test_a_check_value_that_a_token_tells_later_counts(database):
    await recognise(database, "production", {"card/a/load/1": ""}, NOW)
    await recognise(database, "production", {"card/a/load/1": "A1B2C3"}, NOW)
    with pytest.raises(Misconfigured, match="has another card/a/load/1"):
        await recognise(database, "production", {"card/a/load/1": "FFFFFF"}, NOW)


async def test_people_may_make_another_store_the_installations_key_by_key(database):
    first = await recognise(database, "production", KEYS, NOW)
    other = {"endpoint/huzhou/1": "03CD", "data/1": "112233"}
    assert await accept(database, other, NOW) == 3
    assert await recognise(database, "production", other, NOW) == first
    assert sorted((await trail(database))[1:]) == [
        ("platform", "key accepted", "data/1", "112233"),
        ("platform", "key accepted", "endpoint/huzhou/1", "03CD"),
        ("platform", "key gone", "card/a/load/1", "A1B2C3"),
    ]


async def test_a_database_without_stamp_or_schema_is_nobodys(database):
    await require_mode(database, "production")
    await database.execute("DROP TABLE installation")
    await require_mode(database, "production")
    assert await read(database) is None


async def test_a_database_of_the_other_mode_is_refused(database):
    await recognise(database, "sandbox", KEYS, NOW)
    await require_mode(database, "sandbox")
    with pytest.raises(Misconfigured, match="that of a sandbox installation since 2025-06-02"):
        await require_mode(database, "production")


async def test_there_is_one_stamp(database):
    await recognise(database, "sandbox", KEYS, NOW)
    assert await database.fetchval(installation._FIRST, "0" * 32, "production", NOW, [], [], "x") == 0
    assert (await read(database)).installation.mode == "sandbox"
