"""Cards in elements as the Wallet App shows them: read with the card's own commands, in the published spelling."""

from collections.abc import Iterator

import msgspec

from tongka.card import commands
from tongka.card.apdu import CardChannel, Command, Response, send
from tongka.card.files import File15, LogRecord, RideRecord
from tongka.card.profiles import find_profile
from tongka.card.purse import TransactionType
from tongka.errors import CardGone, Malformed, Unsupported

SFI_15, SFI_LOG, SFI_RIDES = 0x15, 0x18, 0x1E
RECORDS_MAX = 10
LOADS = frozenset({TransactionType.ED_LOAD, TransactionType.EP_LOAD})
LOAD, SPEND = 1, 2
INSIDE, OUTSIDE, UNKNOWN = 1, 2, 3
METRO_STATUS = {0x03: INSIDE, 0x04: OUTSIDE}


class _Published(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Fields in the spelling of the published interface."""


class CardMetadata(_Published, frozen=True, rename="camel", omit_defaults=True):
    """A card that a device has, or (without a number) can have; the balance in fen."""

    issuer_id: str
    aid: str
    logical_card_number: str | None = None
    card_number: str | None = None
    balance: int | None = None


class CardMetadataInDevice(_Published, frozen=True, rename="camel"):
    """A device with its cards; type 0 phone, 1 watch."""

    device_id: str
    device_type: int
    display_name: str
    card_metadata: tuple[CardMetadata, ...]


class Transaction(_Published, frozen=True, rename="camel"):
    """One record; type 1 load, 2 spend; the date as YYYYMMDDhhmmss."""

    type: int
    amount: int
    trans_date: str
    transaction_no: int


class CardData(_Published, frozen=True, rename="camel"):
    """What `customCardData` holds; the date as YYYYMMDD, metro 1 in, 2 out, 3 unknown."""

    balance: int
    expire_date: str
    metro_status: int
    records: tuple[Transaction, ...]


class TransitCardInfo(_Published, frozen=True, rename="camel"):
    """A card's number and its data, the latter as JSON in a text."""

    card_number: str
    custom_card_data: str

    @property
    def data(self) -> CardData:
        return msgspec.json.decode(self.custom_card_data, type=CardData)


class Unreadable(Exception):  # noqa: N818 - each method of the client has a code of its own for it
    """No card there, or it does not answer as one."""


def _send(element: CardChannel, command: Command) -> Response:
    try:
        return send(element, command)
    except CardGone as gone:
        raise Unreadable("the element has no power") from gone


def _ask(element: CardChannel, command: Command) -> bytes:
    answer = _send(element, command)
    if not answer.ok:
        raise Unreadable(f"the card answered {answer.sw:04X}")
    return answer.data


def read_metadata(element: CardChannel, aid: bytes, issuer_id: str) -> CardMetadata:
    """Number and balance of the card under an AID.

    Raises:
        Unreadable: see there.

    """
    file15 = _selected(element, aid)
    number = find_profile(file15).card_no(file15)
    return CardMetadata(issuer_id, aid.hex().upper(), number, number, _balance(element))


def _selected(element: CardChannel, aid: bytes) -> File15:
    _ask(element, commands.select_aid(aid))
    try:
        file15 = File15.parse(_ask(element, commands.read_binary(SFI_15)))
        find_profile(file15)
    except (Malformed, Unsupported) as wrong:
        raise Unreadable(str(wrong)) from wrong
    return file15


def _balance(element: CardChannel) -> int:
    return int.from_bytes(_ask(element, commands.get_balance()), "big")


def read_data(element: CardChannel, aid: bytes) -> CardData:
    """Balance, validity, where the rider is, and the latest transactions.

    Raises:
        Unreadable: see there.

    """
    file15 = _selected(element, aid)
    return CardData(
        balance=_balance(element),
        expire_date=f"{file15.valid_to:%Y%m%d}" if file15.valid_to else "",
        metro_status=next((_metro(record) for record in _records(element, SFI_RIDES)), UNKNOWN),
        records=tuple(_transaction(LogRecord.parse(one)) for one in _records(element, SFI_LOG)),
    )


def _records(element: CardChannel, sfi: int) -> Iterator[bytes]:
    """The newest first, up to the first that is empty or not there."""
    for number in range(1, RECORDS_MAX + 1):
        answer = _send(element, commands.read_record(sfi, number))
        if not answer.ok or LogRecord.is_empty(answer.data):
            return
        yield answer.data


def _metro(record: bytes) -> int:
    return METRO_STATUS.get(RideRecord.parse(record).kind, UNKNOWN)


def _transaction(record: LogRecord) -> Transaction:
    kind = LOAD if record.kind in LOADS else SPEND
    return Transaction(kind, record.amount, record.date + record.time, record.sequence)
