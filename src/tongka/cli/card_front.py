"""`tongka card topup` and `recover`: a card at hand, and a Huzhou card front that tops it up."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer

from tongka.card.apdu import parse_hex
from tongka.cli.card_channel import ImageOption, ReaderOption, channel_of
from tongka.cli.common import JsonOption, complaints, console, print_json, run
from tongka.crypto import sm2
from tongka.errors import Malformed
from tongka.money import format_yuan
from tongka.partners.huzhou.client import CardFront, Identity, Line, Order, Outcome, TopUpInterrupted

FrontOption = Annotated[
    Path, typer.Option("--front", "-f", help="A sandbox.json, or a JSON file with its section huzhou.")
]
IDENTITY = {
    "institution": "joininstid",
    "partner": "instid",
    "merchant": "mchntid",
    "network": "netid",
    "terminal": "termid",
    "operator": "oprid",
    "batch": "batchno",
    "channel": "chnlid",
    "area": "areaflag",
}
"""Our names of the caller's fields, and sandbox.json's."""
OUTCOMES = {
    Outcome.CREDITED: "the card was credited",
    Outcome.NOT_CREDITED: "the card was not credited; top up again, or cancel the order for a refund",
    Outcome.FOR_A_CLERK: "the card cannot tell; a clerk decides over the card",
}


def topup(
    amount_fen: Annotated[int, typer.Argument(min=1, help="What to load, in fen.")],
    front: FrontOption,
    image: ImageOption = None,
    reader: ReaderOption = "",
    payment_order: Annotated[str, typer.Option(help="The payment's number; made up if left out.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Top a card up; if it breaks off, an order file is left for `tongka card recover`."""

    async def work() -> Order:
        paid = payment_order or f"CLI{secrets.token_hex(8).upper()}"
        async with front_of(front) as card_front:
            with channel_of(image, reader) as card:
                try:
                    return await card_front.top_up(card, amount_fen, paid)
                except TopUpInterrupted as broken:
                    leave_order_file(broken.order)
                    raise

    order = run(work())
    if as_json:
        print_json(order)
    else:
        console.print(f"{order.card_no}: {format_yuan(amount_fen)} 元, order {order.order_no}", highlight=False)


def recover(
    order_file: Annotated[Path, typer.Argument(help="What a broken-off top-up left.")],
    front: FrontOption,
    image: ImageOption = None,
    reader: ReaderOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Find out by the card itself whether a broken-off top-up was credited."""

    async def work() -> Outcome:
        order = read_order(order_file)
        async with front_of(front) as card_front:
            with channel_of(image, reader) as card:
                return await card_front.recover(card, order)

    outcome = run(work())
    if as_json:
        print_json({"result": outcome.value, "text": OUTCOMES[outcome]})
    else:
        console.print(f"{outcome.value}: {OUTCOMES[outcome]}", highlight=False)


def leave_order_file(order: Order) -> Path:
    """Keep what `recover` needs, in the working folder."""
    path = Path(f"order-{order.order_no}.json")
    path.write_bytes(msgspec.json.encode(order))
    complaints.print(f"put the card back and run: tongka card recover {path} --front …", highlight=False)
    return path


def read_order(path: Path) -> Order:
    """Read what a broken-off top-up left.

    Raises:
        Malformed: not such a file.

    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Order)
    except (OSError, msgspec.MsgspecError) as wrong:
        raise Malformed(str(path), f"not an order file: {wrong}") from wrong


def front_of(path: Path, line: Line | None = None) -> CardFront:
    """The card front that a file names.

    Raises:
        Malformed: the file is not there, not JSON, or lacks a field; names it.

    """
    try:
        section = json.loads(path.read_bytes())["huzhou"]
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise Malformed(str(path), f"not a JSON file with a section huzhou: {wrong}") from wrong
    return front_of_section(section, line=line)


def front_of_section(
    section: Mapping[str, Any], http: httpx.AsyncClient | None = None, line: Line | None = None
) -> CardFront:
    """The card front of a section `huzhou`; see `front_of`."""
    return CardFront(
        _field(section, "base_url"),
        Identity(**{ours: _field(section, theirs) for ours, theirs in IDENTITY.items()}),
        sm2.PrivateKey(_hex(section, "partner_private_key"), "huzhou.partner_private_key"),
        sm2.PublicKey(_hex(section, "platform_public_key"), "huzhou.platform_public_key"),
        http=http,
        line=line,
    )


def _field(section: Mapping[str, Any], name: str) -> str:
    value = section.get(name)
    if not isinstance(value, str):
        raise Malformed(f"huzhou.{name}", "a text is expected")
    return value


def _hex(section: Mapping[str, Any], name: str) -> bytes:
    return parse_hex(_field(section, name), f"huzhou.{name}")
