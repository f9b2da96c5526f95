"""What a city has for the Linkage interface: a channel, a prepaid account, recharge cards, group cards.

Everything comes from the city's seed, and furnishing a city again changes nothing: so passwords and keys are shown in
each sandbox.json although the platform keeps only their hashes.
"""

import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from tongka.errors import RepeatedWithOtherContents
from tongka.journeys import group, passwords
from tongka.ledger import Account
from tongka.partners.linkage.channels import key_context
from tongka.sandbox.card.image import CardImage
from tongka.store import channel_parties, channels, group_cards, prepaid, recharge_cards
from tongka.store.channel_parties import ChannelParty, ChannelRole
from tongka.store.channels import ChannelRow
from tongka.store.group_cards import Allotment, Batch
from tongka.store.prepaid import Supply
from tongka.store.recharge_cards import NewCard
from tongka.store.stamp import Stamp
from tongka.system import System

DOMAIN, CHANNEL = "01", "02"
MERCHANT = "B0010001"
IDENTITY = {
    "OrigionDomain": DOMAIN,
    "ChannelNo": CHANNEL,
    "DeptNo": "33600010",
    "TermNo": "000033600201",
    "OperNo": "000001",
    "Balunitno": MERCHANT,
    "DeviceNo": "D0010001",
}
PARTIES = {
    ChannelRole.DEPARTMENT: "DeptNo",
    ChannelRole.TERMINAL: "TermNo",
    ChannelRole.OPERATOR: "OperNo",
    ChannelRole.DEVICE: "DeviceNo",
}
"""On the domain's books. The channel takes others, too: a trial may have terminals of its own."""
PER_MINUTE, TERMINAL_PER_MINUTE = 600_000, 600_000
"""A trial is not to meet them."""

PREPAID_FEN, LOW_FEN = 10_000, 2_000
RECHARGE_FEN = (1_000,) * 12 + (2_000,) * 4 + (5_000,) * 4
RECHARGE_BATCH = "SANDBOX"
EXPIRES_ON = date(2044, 12, 31)
GROUP_FEN = 5_000
GROUP_CARDS_OF_A_TYPE = 4
COMPANY, GROUP_BATCH = "Sandbox company", "sandbox"
ACTOR = "sandbox"


def _drawn(seed: bytes, what: str) -> bytes:
    return hmac.digest(seed, f"linkage {what}".encode(), hashlib.sha256)


def api_key(seed: bytes) -> str:
    """128 bits."""
    return _drawn(seed, "api key")[:16].hex().upper()


def recharge_passwords(seed: bytes) -> list[tuple[str, int]]:
    """Passwords of 16 digits with their amounts."""
    return [
        (f"{int.from_bytes(_drawn(seed, f'recharge {n}')) % 10**16:016d}", amount)
        for n, amount in enumerate(RECHARGE_FEN)
    ]


def group_passwords(seed: bytes, images: Sequence[CardImage]) -> list[tuple[str, str]]:
    """Card numbers with their passwords: some cards of each type that are in use and have room for the amount."""
    chosen: dict[str, list[str]] = {}
    for image in images:
        fits = image.file15.enabled and 0 < image.balance_fen <= image.type.wallet_max_fen // 2
        if fits and len(of_type := chosen.setdefault(image.profile, [])) < GROUP_CARDS_OF_A_TYPE:
            of_type.append(image.card_no)
    return [(number, _drawn(seed, f"group {number}")[:4].hex()) for numbers in chosen.values() for number in numbers]


async def furnish(system: System, seed: bytes, images: Sequence[CardImage]) -> None:
    """Put everything there that is not there yet."""
    now = system.clock()
    stamp = Stamp(now, system.day(now), ACTOR)
    await _channel(system, seed)
    for role, name in PARTIES.items():
        await channel_parties.save(system.database, ChannelParty(DOMAIN, role, IDENTITY[name]))
    await prepaid.open_account(system.database, MERCHANT, DOMAIN, LOW_FEN, stamp)
    opening = Supply(
        merchant=MERCHANT, domain=DOMAIN, trade_id="opening", amount_fen=PREPAID_FEN, paid_into=Account.OPENING_BALANCES
    )
    await prepaid.supply(system.database, opening, stamp)
    await _recharge_cards(system, seed, stamp)
    await _group_cards(system, seed, images, stamp)


async def _channel(system: System, seed: bytes) -> None:
    sealed = await system.hsm.seal(api_key(seed).encode(), key_context(DOMAIN, CHANNEL))
    row = ChannelRow(DOMAIN, CHANNEL, "Sandbox channel", sealed, (), PER_MINUTE, TERMINAL_PER_MINUTE)
    await channels.add(system.database, row)


async def _recharge_cards(system: System, seed: bytes, stamp: Stamp) -> None:
    cards = [
        NewCard(f"{RECHARGE_BATCH}{n:06d}", await passwords.digest(system, password), amount)
        for n, (password, amount) in enumerate(recharge_passwords(seed))
    ]
    with suppress(RepeatedWithOtherContents):  # issued when the city was made
        await recharge_cards.issue(system.database, RECHARGE_BATCH, cards, EXPIRES_ON, stamp)
    serials = (cards[0].serial, cards[-1].serial)
    await recharge_cards.activate(system.database, RECHARGE_BATCH, serials, Account.OPENING_BALANCES, stamp)


async def _group_cards(system: System, seed: bytes, images: Sequence[CardImage], stamp: Stamp) -> None:
    allotments = [
        Allotment(number, GROUP_FEN, await group.digest(system, number, password))
        for number, password in group_passwords(seed, images)
    ]
    batch = Batch(name=GROUP_BATCH, company=COMPANY, allotments=allotments, paid_into=Account.OPENING_BALANCES)
    await group_cards.allot(system.database, batch, stamp)


def section(base_url: str, seed: bytes, images: Sequence[CardImage]) -> dict[str, Any]:
    """Of sandbox.json."""
    return {
        "base_url": base_url,
        **IDENTITY,
        "api_key": api_key(seed),
        "recharge_cards": [{"Tac": tac, "amount_fen": amount} for tac, amount in recharge_passwords(seed)],
        "group_cards": [
            {"CardNo": number, "PassWord": password, "amount_fen": GROUP_FEN}
            for number, password in group_passwords(seed, images)
        ],
    }
