"""The secure elements of a city: what phone makers deliver, all from the city's seed."""

import hashlib
import hmac

from tongka.card.secure_channel import StaticKeys
from tongka.crypto.pboc import KEY_LEN
from tongka.sandbox.element.image import ElementImage, cplc_of

SCPS = ("03", "02", "03", "02", "03", "03", "02", "03")
"""One element for each, in one device each; phones and watches in turn."""
KEY_VERSION = {"02": 0x20, "03": 0x30}


def elements(seed: bytes) -> tuple[ElementImage, ...]:
    """As they leave the factory, empty: the same for the same seed."""
    return tuple(_element(seed, number, scp) for number, scp in enumerate(SCPS))


def _element(seed: bytes, number: int, scp: str) -> ElementImage:
    drawn = [_drawn(seed, f"{name} {number}") for name in ("enc", "mac", "dek")]
    identity = int.from_bytes(_drawn(seed, f"element {number}")[:8])
    se_id = f"8900{identity % 10**24:024d}{number:04d}"
    return ElementImage(
        se_id=se_id,
        device_id=f"D{_drawn(seed, f'device {number}').hex().upper()[:15]}",
        cplc=cplc_of(se_id),
        scp=scp,
        key_version=KEY_VERSION[scp],
        keys=StaticKeys(*(key[:KEY_LEN] for key in drawn)),
    )


def _drawn(seed: bytes, what: str) -> bytes:
    return hmac.digest(seed, f"wallet {what}".encode(), hashlib.sha256)
