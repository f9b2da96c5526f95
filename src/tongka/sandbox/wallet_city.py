"""What a city has for cards in phones: secure elements, empty and ready, card numbers, prices, and riders with the app.

The riders' passwords come from the city's seed, and are shown although the platform keeps only their hashes.
"""

import hashlib
import hmac
from collections.abc import Sequence
from itertools import count
from typing import Any

from tongka.app.serve import PATH as APP_PATH
from tongka.card.profiles import PROFILES
from tongka.crypto import sm2
from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.keys import element_context
from tongka.partners.huawei.serve import ORDER_PATH
from tongka.sandbox import plan
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.element.image import ElementImage
from tongka.sandbox.element.mint import elements as mint_elements
from tongka.store import app, elements
from tongka.store.app import AppUser, Product
from tongka.store.elements import CardRange, Element
from tongka.system import System

ISSUER = plan.IDENTITY.institution
"""The institution that signs orders (X-Institution) issues the cards."""
PROFILE = PROFILES["huzhou-ministry-3des"]
DRAWN_DIGITS, SERIAL_DIGITS = 5, 6
"""A number is the BIN, digits of the city's own, and a serial."""
SERAM_PATH = "/gp/seram"
RIDERS = ("rider1", "rider2")
PRODUCT = Product(ISSUER, "湖州交通联合卡", fee_fen=200, deposit_fen=1_800, topups_fen=(1_000, 2_000, 5_000, 10_000))


async def furnish(system: System, seed: bytes, images: Sequence[CardImage]) -> None:
    """Put everything there that is not there yet."""
    for image in mint_elements(seed):
        await elements.add_element(system.database, await registered(system, image))
    numbers = CardRange(ISSUER, PROFILE.name, _prefix(seed, images), SERIAL_DIGITS, 10**SERIAL_DIGITS - 1)
    await elements.add_range(system.database, numbers)
    await app.add_product(system.database, PRODUCT)
    for name, password in riders(seed):
        salt = _drawn(seed, f"salt {name}")[:SALT_BYTES]
        await app.add_user(system.database, AppUser(name, name, salt, hashed(password, salt)))


def riders(seed: bytes) -> list[tuple[str, str]]:
    """Names and passwords of those who have the app."""
    return [(name, _drawn(seed, f"password {name}")[:8].hex()) for name in RIDERS]


def _drawn(seed: bytes, what: str) -> bytes:
    return hmac.digest(seed, f"wallet {what}".encode(), hashlib.sha256)


async def registered(system: System, image: ElementImage) -> Element:
    """An element as our books have it, its keys sealed."""
    keys = image.keys.enc + image.keys.mac + image.keys.dek
    sealed = await system.hsm.seal(keys, element_context(image.se_id))
    return Element(image.se_id, image.device_id, image.scp, image.key_version, image.security_domain, sealed)


def _prefix(seed: bytes, images: Sequence[CardImage]) -> str:
    """The digits before the serial: none of the city's plastic cards has them."""
    first = int.from_bytes(hmac.digest(seed, b"wallet numbers", hashlib.sha256)[:8])
    stem = plan.NUMBER_PREFIX[PROFILE.card_no_digits]
    candidates = (f"{stem}{(first + n) % 10**DRAWN_DIGITS:0{DRAWN_DIGITS}}" for n in count())
    taken = tuple(image.card_no for image in images)
    return next(one for one in candidates if not any(number.startswith(one) for number in taken))


def section(base_url: str, seed: bytes, partner_key: sm2.PrivateKey) -> dict[str, Any]:
    """Of sandbox.json; orders are signed by the integrator's institution, with the key of the card front."""
    return {
        "app_url": f"{base_url}{APP_PATH}",
        "app_user": [{"username": name, "password": password} for name, password in riders(seed)],
        "institution": ISSUER,
        "order_url": f"{base_url}{ORDER_PATH}",
        "partner_private_key": partner_key.secret_bytes().hex().upper(),
        "seram_url": f"{base_url}{SERAM_PATH}",
        "issuer_id": ISSUER,
        "secure_elements": [image.entry() for image in mint_elements(seed)],
    }
