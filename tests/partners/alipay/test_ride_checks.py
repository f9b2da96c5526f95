"""Every check of rides finds the damage that it is there for."""

import pytest

from tongka.ledger import Account
from tongka.store import riders
from tongka.store.ledger_checks import check
from tongka.store.ride_checks import RIDE_CHECKS

POOR = "2088000000000002"
UNGUARDED = "ALTER TABLE transfer DISABLE TRIGGER transfer_append_only; "

DAMAGE = {
    "ride_guards_in_place": "ALTER TABLE ride_code_used DROP CONSTRAINT ride_code_settled",
    "rides_charged": "UPDATE ride_trade SET amount_fen = amount_fen + 1 WHERE state = 'settled'",
    "no_ride_without_a_trade": "UPDATE ride_trade SET trade_no = 'another' WHERE state = 'settled'",
    "rides_rest_on_records": "DELETE FROM ride_record",
    "debts": "UPDATE rider SET debt_fen = debt_fen + 1 WHERE debt_fen > 0",
    "supplies": UNGUARDED + "DELETE FROM transfer WHERE reason = 'rider_supply'",
}


@pytest.fixture
async def riding(gateway):
    """A rider who rode on credit, was supplied with money, and whose last trade was refused."""
    results = await gateway.settle(*[await gateway.ride(POOR, "5.00") for _ in range(3)], gateway.trade("00" * 20))
    assert [one["result"] for one in results] == ["SUCCESS", "SUCCESS", "FAIL", "FAIL"]
    await riders.supply(
        gateway.database, POOR, 100, reference="s", stamp=gateway.stamp, source=Account.RECEIVABLE_ALIPAY
    )
    return gateway


async def found(gateway) -> set[str]:
    return {finding.check for finding in await check(gateway.database, RIDE_CHECKS)}


async def test_good_books_pass(riding):
    await riding.books()


def test_every_check_has_its_damage():
    assert set(DAMAGE) == {one.name for one in RIDE_CHECKS}


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_check_finds_its_damage(riding, name):
    await riding.database.execute(DAMAGE[name])
    assert name in await found(riding)
