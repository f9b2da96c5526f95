"""Codes as the platform issues them, at a gate that remembers credentials: later ones have one signature left."""

import secrets
from datetime import datetime

import pytest
from posoffline import Library

from tongka.code.layout import Format
from tongka.code.reasons import Reason
from tongka.days import ZONE
from tongka.journeys import ride_code, ride_keys
from tongka.keys.keyring import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.ledger import Account
from tongka.payments.vouched import Vouched
from tongka.settings import Settings
from tongka.store import riders
from tongka.store.parties import Parties
from tongka.system import System

USER = "2088000000000001"
FIRST_S = 1_800_000_000
SAVED = {Format.ALIPAY: 1, Format.OPERATOR: 1, Format.MINISTRY: 2}
"""Signatures over the credential: by the master key; by CA and issuer."""
LEFT = {Format.ALIPAY: 0, Format.OPERATOR: 0, Format.MINISTRY: 1}
"""The rider's own, where it is on a curve that is counted."""


@pytest.fixture
async def system(database) -> System:
    made = System(
        settings=Settings(),
        database=database,
        hsm=SoftwareHsm(KeyRing({}, {}, {}, {}, secrets.token_bytes(32))),
        payments=Vouched(),
        parties=await Parties.load(database),
        clock=lambda: datetime.fromtimestamp(FIRST_S, ZONE),
        random=secrets.token_bytes,
    )
    await riders.open_riders(database, {USER: 0}, debt_limit_fen=0, at=made.clock(), source=Account.OPENING_BALANCES)
    return made


def pos_param(nth: int) -> bytes:
    return b'{"pos_id":"1","type":"SINGLE","subject":"bus","record_id":"%d"}' % nth


@pytest.mark.parametrize("kind", Format)
async def test_a_gate_that_remembers_has_one_signature_left(system: System, library: Library, kind: Format) -> None:
    keys = await ride_keys.key_list(system, system.clock())
    assert library.init(keys.to_json(), '["ANT00001"]') == 1
    checked = []
    for nth in range(3):
        library.set_clock(FIRST_S + 60 * nth)
        moment = datetime.fromtimestamp(FIRST_S + 60 * nth, ZONE)
        code = await ride_code.issue(system, USER, kind, at=moment)
        before = library.verifications()
        assert library.verify(code, pos_param(nth)).result == 1
        checked.append(library.verifications() - before)
        assert library.verify(code, pos_param(nth)).result == Reason.QRCODE_DUPLICATED
    assert checked == [SAVED[kind] + LEFT[kind], LEFT[kind], LEFT[kind]]


async def test_two_codes_of_one_second_open_the_gate_twice(system: System, library: Library) -> None:
    keys = await ride_keys.key_list(system, system.clock())
    assert library.init(keys.to_json(), '["ANT00001"]') == 1
    codes = [await ride_code.issue(system, USER, Format.ALIPAY) for _ in range(2)]
    assert [library.verify(code, pos_param(10)).result for code in codes] == [1, 1]
