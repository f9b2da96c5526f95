"""A platform with riders, card types and the keys of ride codes; virtual cards as their issuer tells of them."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import pytest

from tongka.card.profiles import PROFILES
from tongka.days import ZONE
from tongka.keys.keyfile import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.ledger import Account
from tongka.payments.vouched import Vouched
from tongka.settings import Pages, Settings
from tongka.store import riders, virtual_cards
from tongka.store.parties import Parties
from tongka.store.riders import CardType
from tongka.store.virtual_cards import CardAction, CardChange
from tongka.system import System

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZONE)
USER, OTHER = "2088000000000001", "2088000000000002"
CARD_TYPE = "GJ330500"
SECRET = bytes(range(32))


@pytest.fixture
async def system(database, tmp_path):
    (tmp_path / "key").write_text(SECRET.hex())
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes).completed(secrets.token_bytes, (), ())
    await riders.open_riders(
        database, {USER: 1000, OTHER: 0}, debt_limit_fen=0, at=NOON, source=Account.OPENING_BALANCES
    )
    await riders.add_card_type(database, CardType(CARD_TYPE, "湖州公交卡", "app", prepaid=False))
    await riders.add_card_type(database, CardType("ANT00001", "公交付款", "", prepaid=False))
    return System(
        settings=Settings(pages=Pages(ticket_key_file=str(tmp_path / "key"))),
        database=database,
        hsm=SoftwareHsm(ring),
        payments=Vouched(),
        parties=await Parties.load(database),
        clock=lambda: NOON,
        random=secrets.token_bytes,
    )


@pytest.fixture
def issue_card(database) -> Callable[..., Awaitable[None]]:
    return partial(_issue_card, database)


async def _issue_card(database, **changes):
    usual = {"card_data": "", "balance": "12.50", "disabled": False, "disabled_tips": ""}
    told = CardChange(
        action=CardAction.ISSUE,
        user_id=USER,
        card_type=CARD_TYPE,
        card_no="C1",
        last_update_time=datetime(2026, 3, 2, 10, 0),  # noqa: DTZ001 - the issuer's clock, as the column has it
        **usual | changes,
    )
    await virtual_cards.change(database, told, actor="t", at=NOON)
