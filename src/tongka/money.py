"""Money is an integer number of fen; yuan exist only at the edges.

`Fen` is a plain ``int`` for the type checker. What partners write as text becomes fen here and nowhere else.
"""

import re
from typing import NewType

from tongka.errors import Malformed

Fen = NewType("Fen", int)

MAX_FEN = 0xFFFFFFFF
"""What four bytes of an APDU can say; no single movement in this system may be larger."""

_FEN = re.compile(r"[0-9]{1,10}", re.ASCII)
_YUAN = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?", re.ASCII)


def parse_fen(text: str, field: str, *, minimum: int = 1) -> Fen:
    """Read a decimal amount in fen, ASCII digits only.

    Raises:
        Malformed: not digits, below `minimum`, or more than four bytes can hold; names `field`.

    """
    if not _FEN.fullmatch(text):
        raise Malformed(field, "an amount in fen is 1 to 10 ASCII digits")
    return _within(int(text), field, minimum)


def parse_yuan(text: str, field: str, *, minimum: int = 1) -> Fen:
    """Read an amount in yuan with at most two decimals, as fen.

    Raises:
        Malformed: another form, below `minimum` fen, or too large; names `field`.

    """
    match = _YUAN.fullmatch(text)
    if not match:
        raise Malformed(field, "an amount in yuan is digits with at most two decimals")
    yuan, fraction = match.groups()
    return _within(int(yuan) * 100 + int((fraction or "").ljust(2, "0")), field, minimum)


def format_yuan(amount: int) -> str:
    """`12345` → ``"123.45"``, for people and for the wire types that count in yuan."""
    sign, fen = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def _within(amount: int, field: str, minimum: int) -> Fen:
    if not minimum <= amount <= MAX_FEN:
        raise Malformed(field, f"the amount must be from {minimum} to {MAX_FEN} fen")
    return Fen(amount)
