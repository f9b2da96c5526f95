"""What a round of IF5 asks the database for: one statement to look, one to go on, and between them what moves."""

from contextlib import contextmanager

import pytest

from phone_stories import submitted
from tongka.store.db import Database

METHODS = ("execute", "fetch", "fetchrow", "fetchval", "fetch_joined", "read", "read_row", "read_value", "read_joined")


@contextmanager
def counting(monkeypatch, counts: list):
    """Count the statements of a block; transactions would count as none, and a round has none."""

    def counted(name: str):
        original = getattr(Database, name)

        async def run(self, sql, *arguments):
            counts[-1] += 1
            return await original(self, sql, *arguments)

        return run

    with monkeypatch.context() as patch:
        for name in METHODS:
            patch.setattr(Database, name, counted(name))
        yield


async def rounds(phone, session: str, monkeypatch) -> list[int]:
    """Statements of each round."""
    counts: list[int] = []
    report = phone.report

    async def counted(*arguments):
        counts.append(0)
        with counting(monkeypatch, counts):
            return await report(*arguments)

    phone.report = counted
    await phone.run(session)
    phone.report = report
    return counts


LOCK = [2, 2, 2, 3, 3]
EXPECTED = {
    "OPEN": [2, 2, 2, 2, 4, 2, 4, 4, 3],
    "TOPUP": [2, 4, 3],
    "UPDATE": [2, 2, 2, 3],
    "LOCK": LOCK,
    "UNLOCK": LOCK,
    "DELETE": [2, 2, 6, 4, 2, 3, 3],
}
"""Two to look and to go on; those between are the moves of orders and books."""
CONTENTS = {"OPEN": {"amount": 300}, "TOPUP": {"amount": 100}}


@pytest.mark.parametrize("known", [False, True], ids=["first-contact", "known-chip"])
async def test_a_round_costs_so_many_statements(phones, monkeypatch, known):
    phone = await phones.new()
    if known:
        await phone.do("OPEN", "O0")
        await phone.do("DELETE", "D0")
    told = {}
    for business in EXPECTED:
        session = await submitted(phone, business, f"{business}1", **CONTENTS.get(business, {}))
        told[business] = await rounds(phone, session, monkeypatch)
    assert told == EXPECTED
