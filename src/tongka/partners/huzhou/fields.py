r"""What the fields of Huzhou messages may hold, and how the composite ones are read: card scripts and customers.

Source: Huzhou card front V1.1.1, chapter 4. Optional fields may be absent or null, and an empty text is as good as
absent. The limits are ours where the document has none.
"""

from typing import Annotated, Literal

from msgspec import Meta

from tongka.card.apdu import Command, Response, parse_hex
from tongka.card.script import Script, pair
from tongka.errors import CardAnswersMissing, Malformed
from tongka.wire import Message, ObjectReader, as_count, read, spelt

MAX_BODY_BYTES = 64 * 1024
MAX_APDUS = 64
"""Appendix C has fewer commands, all together."""
READER = ObjectReader(MAX_BODY_BYTES)

Name = Annotated[str, Meta(min_length=1, max_length=32, description="a text of 1 to 32 characters")]
Date = Annotated[str, Meta(pattern=r"^[0-9]{8}\Z", description="a date, YYYYMMDD")]
Time = Annotated[str, Meta(pattern=r"^[0-9]{6}\Z", description="a time, HHMMSS")]
CardNo = Annotated[str, Meta(pattern=r"^[0-9]{8,20}\Z", description="a card number, 8 to 20 digits")]
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,10}\Z", description="an amount in fen, 1 to 10 digits")]
Balance = Annotated[str, Meta(pattern=r"^[0-9]{0,10}\Z", description="a balance in fen, at most 10 digits")]
Code = Annotated[str, Meta(min_length=1, max_length=2, description="a code of the document's list")]
Remark = Annotated[str, Meta(max_length=64, description="a text of at most 64 characters")]
Private = Annotated[str, Meta(max_length=128, description="a text of at most 128 characters")]
HexList = (
    Annotated[str, Meta(description="hex, several entries separated by commas, or an array of them")]
    | Annotated[list[str], Meta(max_length=MAX_APDUS)]
)
ChargeType = Annotated[Literal["01"], Meta(description="01 (purse)")]


# --- customers --------------------------------------------------------------------------------------------------------


class Customer(Message):
    """`custinfo`; its reference in the document leads nowhere. Personal data: never printed."""

    name: Private | None = spelt("custname", None)
    certificate_type: Private | None = spelt("certtype", None)
    certificate_no: Private | None = spelt("certno", None)
    mobile: Private | None = spelt("mobile", None)

    def __repr__(self) -> str:
        return "Customer(…)"


CustInfo = Customer | Annotated[str, Meta(max_length=1024, description="a customer object, or JSON text of one")]


def customer_of(value: Customer | str | None) -> Customer | None:
    """Read `custinfo`, which may be an object or JSON text of one; None when absent or empty.

    Raises:
        Malformed: text that holds no such object.

    """
    if not isinstance(value, str):
        return value
    return read(Customer, READER.read_text(value, "custinfo")) if value else None


# --- card scripts -----------------------------------------------------------------------------------------------------


def script_of(count: int | str | None, commands: str | list[str] | None, answers: str | list[str] | None) -> Script:
    """`apdulist` beside `apduresp`.

    Raises:
        Malformed: an entry is no hex, no command or no answer.
        CardAnswersMissing: a part is missing, or the numbers do not match (000026).

    """
    return paired(count, commands_of(commands), responses_of(answers, "apduresp"))


def paired(count: int | str | None, commands: tuple[Command, ...], answers: tuple[Response, ...]) -> Script:
    """Commands beside their answers, as many as `apdunum` says; see `script_of` for the errors."""
    if count is None or as_count(count) != len(answers):
        raise CardAnswersMissing(f"apdunum does not match the {len(answers)} card answers sent")
    return pair(commands, answers)


def commands_of(value: str | list[str] | None) -> tuple[Command, ...]:
    """`apdulist` where it holds commands.

    Raises:
        Malformed: too many entries, or one is no command.

    """
    return tuple(Command.from_hex(entry, "apdulist") for entry in _entries(value, "apdulist"))


def responses_of(value: str | list[str] | None, field: str) -> tuple[Response, ...]:
    """Card answers, data‖SW each.

    Raises:
        Malformed: too many entries, or one is no answer.

    """
    return tuple(Response.parse(parse_hex(entry, field), field) for entry in _entries(value, field))


def _entries(value: str | list[str] | None, field: str) -> list[str]:
    if not value:
        return []
    entries = value.split(",") if isinstance(value, str) else value
    if len(entries) > MAX_APDUS:
        raise Malformed(field, f"at most {MAX_APDUS} entries are read, not {len(entries)}")
    return entries


def hex_list(commands: tuple[Command, ...]) -> str:
    """Commands as the document writes them: upper-case hex, separated by commas."""
    return ",".join(command.hex for command in commands)
