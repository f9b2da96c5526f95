"""The card that a command's options name: one in a PC/SC reader, or one in an image file."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tongka.card.apdu import CardChannel
from tongka.card.reader import PcscCard, reader_names
from tongka.errors import Misconfigured
from tongka.sandbox.card.image import read_image, write_image
from tongka.sandbox.card.machine import SoftwareCard

ImageOption = Annotated[Path | None, typer.Option("--image", "-i", help="A software card's image file.")]
ReaderOption = Annotated[
    str, typer.Option("--reader", "-r", help="A PC/SC reader by name, or how its name begins. Default: the first one.")
]


def software_card(path: Path) -> SoftwareCard:
    """The card of an image file; every internal write is on the disk before the answer leaves."""
    return SoftwareCard(read_image(path), secrets.token_bytes, lambda image: write_image(path, image))


@contextmanager
def channel_of(image: Path | None, reader: str) -> Iterator[CardChannel]:
    """The card that the options name.

    Raises:
        Misconfigured: both options, or no reader at all.
        CardGone: no card in the reader.

    """
    if image and reader:
        raise Misconfigured("--image and --reader name two cards; give one")
    if image:
        yield software_card(image)
        return
    with PcscCard.connect(reader or _first_reader()) as card:
        yield card


def _first_reader() -> str:
    names = reader_names()
    if not names:
        raise Misconfigured("PC/SC knows no reader; plug one in, or give --image FILE")
    return names[0]
