"""The secure elements of a city: what phone makers deliver, all from the city's seed."""

import hashlib
import hmac

from tongka.card.secure_channel import StaticKeys
from tongka.crypto.pboc import KEY_LEN
from tongka.sandbox.element.image import ElementImage

SCPS = ("03", "02", "03", "02", "03", "03", "02", "03")
"""One element for each, in one device each; phones and watches in turn."""
KEY_VERSION = {"02": 0x20, "03": 0x30}
FABRICATOR = bytes.fromhex("4790") + bytes.fromhex("D321") + bytes(4)  # fabricator 2‖type 2‖operating system 4


def elements(seed: bytes) -> tuple[ElementImage, ...]:
    """As they leave the factory, empty: the same for the same seed."""
    return tuple(_element(seed, number, scp) for number, scp in enumerate(SCPS))


def _element(seed: bytes, number: int, scp: str) -> ElementImage:
    drawn = [_drawn(seed, f"{name} {number}") for name in ("enc", "mac", "dek")]
    identity = _drawn(seed, f"element {number}")
    return ElementImage(
        se_id=f"8900{int.from_bytes(identity[:8]) % 10**24:024d}{number:04d}",
        device_id=f"D{_drawn(seed, f'device {number}').hex().upper()[:15]}",
        cplc=FABRICATOR + bytes(2) + identity[:8] + bytes(24),
        scp=scp,
        key_version=KEY_VERSION[scp],
        keys=StaticKeys(*(key[:KEY_LEN] for key in drawn)),
    )


def _drawn(seed: bytes, what: str) -> bytes:
    return hmac.digest(seed, f"wallet {what}".encode(), hashlib.sha256)
