"""A factory's or another platform's list of cards: rows of texts to cards, and what is wrong with the others.

A card that says when it was sold is with a rider: its balance, deposit and status are taken over. Every other card is
stock: it holds nothing, and its deposit is taken at its sale.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from tongka.card.files import EnableFlag, File15
from tongka.card.profiles import CardProfile, profile_named
from tongka.errors import Malformed
from tongka.journeys.listing import Cells, Mistake, cells_of, read_lines
from tongka.money import parse_yuan
from tongka.store.card_stock import LINE
from tongka.store.cards import CardRow

CARD_NO, TYPE, VERSION, ASN, FILE15 = "card number", "card type", "key version", "asn", "file 15"
ISSUER, APPLICATION, VALID_FROM, VALID_TO = "issuer", "application type", "valid from", "valid to"
SOLD_ON, BALANCE, DEPOSIT, STATUS = "sold on", "balance", "deposit", "status"

HEADINGS: Mapping[str, str] = {
    **{name: name for name in (CARD_NO, TYPE, VERSION, ASN, FILE15, ISSUER, APPLICATION, VALID_FROM, VALID_TO)},
    **{name: name for name in (SOLD_ON, BALANCE, DEPOSIT, STATUS)},
    "卡号": CARD_NO,
    "卡类型": TYPE,
    "profile": TYPE,
    "密钥版本": VERSION,
    "应用序列号": ASN,
    "file15": FILE15,
    "0015": FILE15,
    "15文件": FILE15,
    "发卡方": ISSUER,
    "应用类型": APPLICATION,
    "启用日期": VALID_FROM,
    "有效期": VALID_TO,
    "售卡日期": SOLD_ON,
    "余额": BALANCE,
    "balance (yuan)": BALANCE,
    "押金": DEPOSIT,
    "deposit (yuan)": DEPOSIT,
    "状态": STATUS,
}
"""Heading, in lower case → column."""

REQUIRED = (CARD_NO, TYPE, VERSION)
STATUSES: Mapping[str, str] = {
    "": "00",
    "00": "00",
    "normal": "00",
    "正常": "00",
    "01": "01",
    "blacklisted": "01",
    "黑名单": "01",
    "03": "03",
    "lost": "03",
    "挂失": "03",
    "04": "04",
    "expired": "04",
    "过期": "04",
}
"""Returned cards (02) are no longer anybody's, and not taken over."""

FILE15_DIGITS = 2 * File15.LENGTH
LINES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class CardLine:
    """One card of a list; `row` is where it stands, `balance_fen` what it holds."""

    row: int
    card: CardRow
    balance_fen: int = 0


def read_cards(rows: Iterable[Sequence[str]], today: date) -> tuple[list[CardLine], list[Mistake]]:
    """The first row holds the headings.

    Raises:
        Malformed: a column is missing, or there are too many rows.

    """
    numbered = cells_of(rows, HEADINGS, REQUIRED, LINES_MAX)
    return read_lines(numbered, lambda row, cells: _line(row, cells, today), lambda line: line.card.card_no)


def digest_of(lines: Iterable[CardLine]) -> bytes:
    """What a list says, in whatever order and kind of file: the same list is known again by it."""
    hashed = sha256()
    for line in sorted(lines, key=lambda line: line.card.card_no):
        hashed.update(repr((*(getattr(line.card, name) for name in LINE), line.balance_fen)).encode())
    return hashed.digest()


def _line(row: int, cells: Cells, today: date) -> CardLine:
    profile = profile_named(cells[TYPE])
    asn = _asn(profile, cells)
    sold_on = _day(cells, SOLD_ON)
    if sold_on and sold_on > today:
        raise Malformed(SOLD_ON, f"{sold_on} is still to come")
    file15 = _file15(profile, asn, cells, sold=sold_on is not None)
    card = CardRow(
        card_no=cells[CARD_NO],
        asn=asn,
        profile=profile.name,
        key_version=_byte(cells, VERSION),
        file15=file15.build(),
        status=_status(cells, sold=sold_on is not None),
        enabled=sold_on is not None,
        sold_on=sold_on,
        valid_to=file15.valid_to,
        deposit_fen=_deposit(cells, profile, sold=sold_on is not None),
    )
    return CardLine(row, card, _balance(cells, profile, sold=sold_on is not None))


def _asn(profile: CardProfile, cells: Cells) -> str:
    """The 20 digits of the card number; where the list names them too, they must agree."""
    number = cells[CARD_NO]
    if not (number.isascii() and number.isdecimal()):
        raise Malformed(CARD_NO, "digits are expected; format the column as text, or a spreadsheet rounds it")
    asn = profile.asn(number)
    if cells[ASN] and cells[ASN] != asn:
        raise Malformed(ASN, f"card {number} has {asn}, not {cells[ASN]}")
    return asn


def _file15(profile: CardProfile, asn: str, cells: Cells, *, sold: bool) -> File15:
    """As personalised: whole, or made of its fields; the keys of the card are derived from it."""
    file15 = _whole_file15(cells) if cells[FILE15] else _made_file15(profile, asn, cells, sold=sold)
    if file15.asn != asn:
        raise Malformed(FILE15, f"holds the number {file15.asn}, and the card is {asn}")
    if file15.issuer != profile.issuer:
        issuer = profile.issuer.hex().upper()
        raise Malformed(FILE15 if cells[FILE15] else ISSUER, f"{profile.name} has the issuer {issuer}")
    return file15


def _whole_file15(cells: Cells) -> File15:
    if given := [name for name in (ISSUER, APPLICATION, VALID_FROM, VALID_TO) if cells[name]]:
        raise Malformed(FILE15, f"holds {', '.join(given)} itself; give the one or the other")
    return File15.parse(_hex(cells, FILE15, FILE15_DIGITS))


def _made_file15(profile: CardProfile, asn: str, cells: Cells, *, sold: bool) -> File15:
    return File15(
        issuer=_hex(cells, ISSUER, 2 * len(profile.issuer)) if cells[ISSUER] else profile.issuer,
        application_type=_byte(cells, APPLICATION) if cells[APPLICATION] else 0,
        enable_flag=EnableFlag.ENABLED if sold else EnableFlag.NOT_ENABLED,
        asn=asn,
        valid_from=_day(cells, VALID_FROM),
        valid_to=_day(cells, VALID_TO),
        private=bytes(2),
    )


def _status(cells: Cells, *, sold: bool) -> str:
    status = STATUSES.get(cells[STATUS].lower())
    if status is None:
        raise Malformed(STATUS, "is normal, blacklisted, lost or expired")
    if status != "00" and not sold:
        raise Malformed(STATUS, "a card that is not sold is normal")
    return status


def _deposit(cells: Cells, profile: CardProfile, *, sold: bool) -> int:
    """Of a card with a rider what is held for it; stock costs what its type does, and pays at its sale."""
    deposit = parse_yuan(cells[DEPOSIT], DEPOSIT, minimum=0) if cells[DEPOSIT] else None
    if sold:
        return profile.deposit_fen if deposit is None else deposit
    if deposit not in {None, profile.deposit_fen}:
        raise Malformed(DEPOSIT, f"cards of {profile.name} are sold for {profile.deposit_fen} fen; leave it out")
    return 0


def _balance(cells: Cells, profile: CardProfile, *, sold: bool) -> int:
    if not cells[BALANCE]:
        if sold:
            raise Malformed(BALANCE, "is missing: what the card of a rider holds, in yuan")
        return 0
    balance = parse_yuan(cells[BALANCE], BALANCE, minimum=0)
    if balance and not sold:
        raise Malformed(BALANCE, "a card that is not sold holds nothing; when was it sold?")
    if balance > profile.wallet_max_fen:
        raise Malformed(BALANCE, f"cards of {profile.name} hold at most {profile.wallet_max_fen} fen")
    return balance


# --- cells ------------------------------------------------------------------------------------------------------------


def _byte(cells: Cells, name: str) -> int:
    text = cells[name]
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or int(text) > 255:
        raise Malformed(name, "is a number from 0 to 255")
    return int(text)


def _hex(cells: Cells, name: str, digits: int) -> bytes:
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", cells[name], re.ASCII):
        raise Malformed(name, f"has {digits} hex digits")
    return bytes.fromhex(cells[name])


def _day(cells: Cells, name: str) -> date | None:
    """YYYYMMDD or YYYY-MM-DD; a spreadsheet's date has a midnight behind it."""
    text = cells[name].removesuffix(" 00:00:00")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise Malformed(name, "is a date, YYYY-MM-DD") from wrong
