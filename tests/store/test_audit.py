"""The audit trail in PostgreSQL: sealed without gaps whatever commits when, and any tampering is found."""

import asyncio
from datetime import datetime

import asyncpg
import pytest

from tongka.audit import SEALED, Entry, Seal
from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.store import audit
from tongka.store.audit import export, record, seal, verify

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)


async def write(database, *subjects):
    for subject in subjects:
        await record(database, NOON, actor="operator", action="order.create", subject=subject, detail='{"fen": 1}')


async def seal_all(database):
    """Seal, once the transactions of other databases on this server that hold the horizon back have ended."""
    for _ in range(200):
        if seals := await seal(database, NOON):
            return seals
        await asyncio.sleep(0.01)
    raise AssertionError("nothing could be sealed")


@pytest.fixture
async def trail(database):
    """Three sealed batches: rows 1–3, 5–6 and 8; rows 4, 7 and 9 tell of their seals."""
    for subjects in (("a", "b", "c"), ("d", "e"), ("f",)):
        await write(database, *subjects)
        await seal_all(database)
    return database


async def tamper(database, *statements):
    """Do it as somebody would who owns the database, with triggers asleep."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def test_an_untouched_trail_has_no_breaks(trail):
    assert await verify(trail) == []


async def test_an_empty_trail_has_no_breaks_and_nothing_to_seal(database):
    assert (await seal(database, NOON), await verify(database)) == ([], [])


async def test_sealing_seals_every_row_once_and_then_nothing(trail):
    assert await seal(trail, NOON) == []
    sealed = [item.ids for _, item in await exported(trail) if isinstance(item, Seal)]
    assert sealed == [[1, 2, 3], [4, 5, 6], [7, 8]]


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("table", ["audit", "audit_seal"])
async def test_the_trail_is_append_only(trail, sql, table):
    sql = sql.replace("audit", table, 1).replace("actor = 'x'", "seal = ''" if table == "audit_seal" else "actor = ''")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await trail.execute(sql)


@pytest.mark.parametrize(
    "change",
    ["at = at + '1 microsecond'", "actor = 'x'", "action = 'x'", "subject = 'x'", "detail = ''", "txid = txid + 1",
     "txid = 9000000000"],
)  # fmt: skip
async def test_a_changed_row_is_found(trail, change):
    await tamper(trail, f"UPDATE audit SET {change} WHERE id = 5")
    found = await verify(trail)
    assert (found[0].seal, found[0].entry, found[0].what) == (2, 5, "the row was changed")


async def test_a_deleted_row_is_found(trail):
    await tamper(trail, "DELETE FROM audit WHERE id = 2")
    (found,) = await verify(trail)
    assert (found.seal, found.entry, found.what) == (1, 2, "the row was deleted")


async def test_a_row_inserted_into_the_sealed_past_is_found(trail):
    await tamper(
        trail,
        "INSERT INTO audit (at, actor, action, subject, txid)"
        " SELECT at, actor, action, 'z', txid FROM audit WHERE id = 2",
    )
    (found,) = await verify(trail)
    assert (found.entry, found.what) == (10, "the row was inserted after its time was sealed")


async def test_swapped_rows_are_found(trail):
    await tamper(
        trail,
        "ALTER TABLE audit ALTER id DROP IDENTITY",
        "UPDATE audit SET id = -1 WHERE id = 5",
        "UPDATE audit SET id = 5 WHERE id = 6",
        "UPDATE audit SET id = 6 WHERE id = -1",
    )
    assert [(one.seal, one.entry) for one in await verify(trail)] == [(2, 5), (2, 6)]


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_removed_seal_is_found(trail, number):
    await tamper(trail, f"DELETE FROM audit_seal WHERE number = {number}")
    assert number in {one.seal for one in await verify(trail)}


@pytest.mark.parametrize(
    "change",
    ["horizon = horizon + 1", "ids = ids || 99::bigint", "leaves = leaves || leaves", "seal = decode('00', 'hex')"],
)
async def test_a_changed_seal_is_found(trail, change):
    await tamper(trail, f"UPDATE audit_seal SET {change} WHERE number = 2")
    assert (await verify(trail))[0].seal == 2


async def test_a_row_changed_together_with_its_seal_breaks_the_next_seal(trail):
    await tamper(trail, "UPDATE audit SET actor = 'x' WHERE id = 5")
    await forge(trail, number=2)
    assert any(one.seal == 3 and "does not follow" in one.what for one in await verify(trail))


async def test_a_trail_forged_to_its_end_is_found_by_a_seal_kept_elsewhere(trail):
    kept = [item for _, item in await exported(trail) if isinstance(item, Seal)][-1]
    await tamper(trail, "DELETE FROM audit_seal", f"DELETE FROM audit WHERE action = '{SEALED}' OR id = 5")
    await seal_all(trail)
    assert await verify(trail) == []
    (found,) = await verify(trail, (kept.number, kept.digest))
    assert (found.seal, found.what) == (3, "the seal is not the one that was kept")


async def forge(database, number):
    """Recompute one seal over the rows of today."""
    items = await exported(database)
    seals = {item.number: item for _, item in items if isinstance(item, Seal)}
    entries = [item for of, item in items if of == number and isinstance(item, Entry)]
    forged = Seal.over(seals.get(number - 1), seals[number].horizon, entries)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        sql = "UPDATE audit_seal SET leaves = $2, seal = $3 WHERE number = $1"
        await connection.execute(sql, number, forged.leaves, forged.digest)


async def exported(database):
    """Each item with the number of the seal it came after."""
    found, number = [], 0
    async for item in export(database):
        number = item.number if isinstance(item, Seal) else number
        found.append((number, item))
    return found


async def test_a_transaction_under_way_is_left_to_a_later_seal_with_all_that_came_after_it(database):
    async with database.transaction() as slow:
        await slow.execute("INSERT INTO audit (at, actor, action, subject) VALUES (now(), 'slow', 'x', '1')")
        await write(database, "quick")
        assert await seal(database, NOON) == []
    (one,) = await seal_all(database)
    assert list(one.ids) == [1, 2]
    assert await verify(database) == []


async def test_sealing_at_the_same_time_as_writing_leaves_no_row_out(database):
    async def writer(number):
        for step in range(10):
            await write(database, f"{number}.{step}")

    async def sealer():
        for _ in range(20):
            await seal(database, NOON)

    await asyncio.gather(*(writer(number) for number in range(8)), sealer(), sealer())
    await write(database, "last")
    await seal_all(database)
    subjects = {item.subject for _, item in await exported(database) if isinstance(item, Entry)}
    assert {f"{number}.{step}" for number in range(8) for step in range(10)} < subjects
    assert await verify(database) == []


async def test_a_long_backlog_is_sealed_in_batches(database, monkeypatch):
    monkeypatch.setattr(audit, "BATCH_MAX", 3)
    await write(database, *"abcdefgh")
    await seal_all(database)
    sizes = [len(item.ids) for _, item in await exported(database) if isinstance(item, Seal)]
    assert max(sizes) == 3
    assert await verify(database) == []


async def test_a_server_whose_numbers_were_set_back_is_refused(trail):
    await tamper(trail, "UPDATE audit_seal SET horizon = 9000000000 WHERE number = 3")
    await write(trail, "g")
    with pytest.raises(Misconfigured, match="tongka audit continue"):
        await seal(trail, NOON)
