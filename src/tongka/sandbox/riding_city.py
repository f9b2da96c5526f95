"""What a city contains for riding: riders with money, card types, a merchant at the open gateway, the keys of codes.

All of it comes from the city's seed and key file; making it again changes nothing, and completes a city that was made
before there were rides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from tongka.code.layout import PLAIN_CARD_TYPE
from tongka.journeys import ride_keys
from tongka.keys.keyring import RSA_BITS, RSA_EXPONENT
from tongka.ledger import Account
from tongka.partners.alipay.certificates import read_certificate, serial
from tongka.sandbox import certificates
from tongka.store import merchants, riders
from tongka.store.merchants import MerchantApp
from tongka.store.riders import CardType
from tongka.system import System

APP_ID: Final = "2021003305000001"
SELLER: Final = "transit@huzhou.example"
CARD_TYPE: Final = "GJ330500"
"""Of the merchant's virtual cards that are paid afterwards."""
PREPAID_CARD_TYPE: Final = "GJ330501"
ENTRY_PAGE: Final = "/p/f/public_transit/card_entry.html"
ISSUE_PATH: Final = "/sandbox/ride-codes"
GATEWAY_KEY: Final = "alipay"
GATEWAY_PATH: Final = "/gateway.do"

BALANCES_FEN: Final = (50_000,) * 10 + (10_000, 5_000, 1_000, 350, 100, 0)
"""Of the riders, in their order."""
USER_ID_PREFIX: Final = "2088"
SERIAL_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Riding:
    """The merchant's private key, PKCS#1 in PEM, the certificates of both sides, and the riders with what they held
    when the city was made, in fen.
    """

    app_key: str = field(repr=False)
    app_certificate: str
    gateway_chain: str
    users: Mapping[str, int]


def new_app_key() -> str:
    key = rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode().strip()


def users(seed: bytes) -> dict[str, int]:
    """The riders of a city: the same for the same seed."""
    digits = 16 - len(USER_ID_PREFIX) - SERIAL_DIGITS
    drawn = int.from_bytes(hashlib.sha256(seed + b"riders").digest()) % 10**digits
    return {
        f"{USER_ID_PREFIX}{drawn:0{digits}}{nth:0{SERIAL_DIGITS}}": balance_fen
        for nth, balance_fen in enumerate(BALANCES_FEN, 1)
    }


async def furnish(system: System, riding: Riding) -> None:
    """The rows: merchant, card types, riders with their accounts and agreements."""
    database, now = system.database, system.clock()
    public = load_pem_private_key(riding.app_key.encode(), None).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    cert_sn = serial(read_certificate(riding.app_certificate.encode()))
    await merchants.add(database, MerchantApp(APP_ID, "Huzhou transit", der, SELLER, cert_sn=cert_sn))
    for kind in (
        CardType(PLAIN_CARD_TYPE, "公交付款", "", prepaid=False),
        CardType(CARD_TYPE, "湖州公交卡", APP_ID, prepaid=False),
        CardType(PREPAID_CARD_TYPE, "湖州预付公交卡", APP_ID, prepaid=True),
    ):
        await riders.add_card_type(database, kind)
    await riders.open_riders(
        database,
        riding.users,
        debt_limit_fen=system.settings.rides.debt_limit_fen,
        at=now,
        source=Account.OPENING_BALANCES,
    )
    await riders.sign_agreement(database, list(riding.users), PLAIN_CARD_TYPE, now)


async def gateway_key_pem(system: System) -> str:
    """The key that the gateway's answers verify with."""
    key = load_der_public_key(await system.hsm.rsa_public_key(GATEWAY_KEY))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


async def sections(system: System, riding: Riding, base_url: str) -> dict[str, Any]:
    """`alipay` and `ride` of sandbox.json."""
    keys = await ride_keys.key_list(system, system.clock())
    own, root = certificates.split(riding.gateway_chain)
    authority = keys.authorities[ride_keys.CA_INDEX].public_key
    return {
        "alipay": {
            "gateway": f"{base_url}{GATEWAY_PATH}",
            "app_id": APP_ID,
            "app_private_key": riding.app_key + "\n",
            "alipay_public_key": await gateway_key_pem(system),
            "app_certificate": riding.app_certificate + "\n",
            "alipay_certificate": own,
            "alipay_root_certificate": root,
            "seller_login_name": SELLER,
            "card_type": CARD_TYPE,
            "users": [{"user_id": user, "balance_fen": fen} for user, fen in riding.users.items()],
            "page": f"{base_url}{ENTRY_PAGE}",
        },
        "ride": {
            "issue_url": f"{base_url}{ISSUE_PATH}",
            "keys": keys.masters_list(),
            "card_types": list(await riders.card_types(system.database)),
            "ca_public_key": authority.hex().upper(),
        },
    }
