"""The table of the wallet's error codes."""

from tongka.sandbox.wallet.client import BUSINESSES
from tongka.sandbox.wallet.codes import BY_NUMBER, ROWS, Ending, WalletFailed, WalletRefused, WalletUnknown, error


def test_every_code_has_its_row_once_and_its_kind():
    assert len(BY_NUMBER) == len(ROWS)
    for row in ROWS:
        wanted = {Ending.REFUSED: WalletRefused, Ending.FAILED: WalletFailed, Ending.UNKNOWN: WalletUnknown}
        assert type(error(row.number, "why")) is wanted[row.ending]
        assert (row.number % 100 == 19) == (row.ending is Ending.UNKNOWN) or row.number == 1010210119
        assert row.refundable == ("refunded" in row.text)


def test_each_business_ends_with_codes_that_exist():
    for business in BUSINESSES:
        assert BY_NUMBER[business.unknown].ending is Ending.UNKNOWN
        assert BY_NUMBER[business.not_confirmed].ending is Ending.REFUSED
        assert {business.no_card, business.bad_status} <= {0, *BY_NUMBER}
