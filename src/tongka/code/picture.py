"""Ride codes as QR pictures, and back: PNG, SVG and text for terminals; out of pictures and out of raw camera frames.

A ride code is bytes, not text: pictures are in byte mode without an ECI, and reading gives the bytes as they were.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import segno
import zxingcpp
from PIL import Image, UnidentifiedImageError

from tongka.errors import Malformed

ERROR_CORRECTION: Final = "m"
"""15 %: a cracked screen still reads, and 332 bytes stay within version 14."""

QUIET_ZONE: Final = 4
"""Modules of white around the code (ISO/IEC 18004)."""

PIXELS_MAX: Final = 50_000_000
"""No camera at a gate has more; what claims to is not decoded."""

LUMA: Final[Mapping[str, tuple[int, int]]] = {
    "gray": (1, 0),
    "nv12": (1, 0),
    "nv21": (1, 0),
    "i420": (1, 0),
    "yv12": (1, 0),
    "yuyv": (2, 0),
    "uyvy": (2, 1),
}
"""Raw camera frames by their usual names: distance of the brightness bytes from each other, and the first of them."""


def picture(code: bytes) -> segno.QRCode:
    """The QR code of a ride code."""
    return segno.make_qr(code, error=ERROR_CORRECTION, mode="byte", boost_error=False)


def png(code: bytes, *, scale: int = 6) -> bytes:
    """A PNG, `scale` pixels a module."""
    out = io.BytesIO()
    picture(code).save(out, kind="png", scale=scale, border=QUIET_ZONE)
    return out.getvalue()


def svg(code: bytes) -> str:
    """An SVG element that takes the size of its surroundings; it can stand in HTML as it is."""
    return picture(code).svg_inline(omitsize=True, border=QUIET_ZONE, dark="#000", light="#fff")


def terminal(code: bytes) -> str:
    """Two modules in one character; to be shown light on dark, as terminals are."""
    out = io.StringIO()
    picture(code).terminal(out, border=QUIET_ZONE, compact=True)
    return out.getvalue()


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """What a raw camera frame is: its size in pixels, and its kind, one of `LUMA`."""

    width: int
    height: int
    kind: str

    @classmethod
    def parse(cls, text: str) -> "Frame":
        """Read ``640x480:yuyv``; without a kind it is gray.

        Raises:
            Malformed: another form.

        """
        size, _, kind = text.lower().partition(":")
        width, _, height = size.partition("x")
        if not (width.isdecimal() and height.isdecimal()) or (kind or "gray") not in LUMA:
            raise Malformed("frame", f"is WIDTHxHEIGHT:KIND with one of {', '.join(LUMA)}")
        return cls(int(width), int(height), kind or "gray")


def codes_in_picture(data: bytes) -> list[bytes]:
    """The contents of all QR codes in a PNG, JPEG, BMP, PGM or what else Pillow reads.

    Raises:
        Malformed: no picture, or a larger one than any camera makes.

    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > PIXELS_MAX:
                raise Malformed("picture", f"has more than {PIXELS_MAX} pixels")
            gray = opened.convert("L")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Malformed("picture", "is not one that can be read") from error
    return _codes(gray)


def codes_in_frame(data: bytes, frame: Frame) -> list[bytes]:
    """The contents of all QR codes in a raw camera frame; only its brightness is looked at.

    Raises:
        Malformed: fewer bytes than the frame has pixels.

    """
    step, first = LUMA[frame.kind]
    pixels = frame.width * frame.height
    if not 0 < pixels <= PIXELS_MAX or len(data) < step * pixels:
        raise Malformed("frame", f"of {frame.width}x{frame.height} needs {step * pixels} bytes, not {len(data)}")
    luma = data[first : step * pixels : step]
    return _codes(Image.frombytes("L", (frame.width, frame.height), luma))


_QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


def _codes(gray: Image.Image) -> list[bytes]:
    return [found.bytes for found in zxingcpp.read_barcodes(gray, formats=_QR)]
