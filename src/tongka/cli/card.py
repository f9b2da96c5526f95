"""`tongka card`: readers, cards and the software card, for people."""

import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.card.commands import CommandKind
from tongka.card.files import EnableFlag, LogRecord
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES, profile_named
from tongka.card.purse import TransactionType
from tongka.card.reader import reader_names
from tongka.card.reading import CardReading, read_card
from tongka.cli import card_front
from tongka.cli.card_channel import ImageOption, ReaderOption, channel_of, software_card
from tongka.cli.common import JsonOption, complaints, console, print_json, run
from tongka.errors import Malformed, Misconfigured, TongkaError
from tongka.money import format_yuan
from tongka.sandbox.card import vpcd
from tongka.sandbox.card.image import CardImage, write_image
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.sandbox.card.power import AFTER

app = typer.Typer(no_args_is_help=True, help="Cards in readers, and cards in files.")

app.command()(card_front.topup)
app.command()(card_front.recover)
KINDS = [kind.name.lower() for kind in CommandKind]


# --- commands ---------------------------------------------------------------------------------------------------------


@app.command("list")
def list_readers(*, as_json: JsonOption = False) -> None:
    """List the PC/SC readers."""

    async def work() -> list[str]:
        return reader_names()

    names = run(work())
    if as_json:
        print_json(names)
    for name in [] if as_json else names or ["no reader"]:
        console.print(name, markup=False)


@app.command()
def read(image: ImageOption = None, reader: ReaderOption = "", *, as_json: JsonOption = False) -> None:
    """Read a card: its number, validity, balance and last transactions."""
    shown = run(_shown(image, reader))
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        if name != "log":
            console.print(f"[bold]{name:<16}[/] {_for_people(name, value)}", highlight=False)
    console.print(_log_table(shown["log"]))


@app.command()
def log(image: ImageOption = None, reader: ReaderOption = "", *, as_json: JsonOption = False) -> None:
    """Show a card's transactions, newest first."""
    entries = run(_shown(image, reader))["log"]
    if as_json:
        print_json(entries)
    else:
        console.print(_log_table(entries))


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where `serve` shall tear the card out of the reader."""

    kind: str
    point: int

    def arm(self, card: SoftwareCard) -> None:
        if not self.kind:
            return
        if self.kind not in KINDS:
            raise Malformed("--cut-at", f"one of {', '.join(KINDS)} is expected")
        card.switch.arm(self.point, kind=CommandKind[self.kind.upper()])


@app.command()
def serve(
    image: Annotated[Path, typer.Option("--image", "-i", help="The image file; it keeps the card's state.")],
    host: Annotated[str, typer.Option(help="Where the virtual reader listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; vpcd's own by default.")] = vpcd.VPCD_PORT,
    cut_at: Annotated[str, typer.Option(help="Tear the card out at this command, e.g. credit_for_load.")] = "",
    cut_point: Annotated[int, typer.Option(help="0: before it; n: after its n-th internal write.")] = AFTER,
) -> None:
    """Put a software card into a virtual PC/SC reader (vpcd) until the reader stops or the power is cut."""

    async def work() -> None:
        card = software_card(image)
        _Cut(cut_at, cut_point).arm(card)
        with closing(vpcd.connect(host, port)) as line:
            complaints.print(f"{card.image.card_no} is in the reader at {host}:{port}", highlight=False)
            vpcd.serve(card, line)

    run(work())


@app.command()
def new(  # noqa: PLR0917 - arguments and options of a command
    image: Annotated[Path, typer.Argument(help="The image file to make.")],
    sandbox: Annotated[Path | None, typer.Option("--from", help="Take a card of this sandbox.json.")] = None,
    card_no: Annotated[str, typer.Option("--number", help="Card number; the first that fits, or a made-up one.")] = "",
    unsold: Annotated[bool, typer.Option("--unsold", help="With --from: a card that is not yet sold.")] = False,
    profile: Annotated[str, typer.Option(help=f"Without --from: {', '.join(PROFILES)}.")] = "huzhou-ministry-3des",
    balance_fen: Annotated[int, typer.Option(min=0, help="Without --from: money on it, in fen.")] = 0,
) -> None:
    """Make an image file: a card of a sandbox, or one to play with whose keys nobody else knows."""

    async def work() -> str:
        if image.exists():
            raise Misconfigured(f"{image} exists; a card is not overwritten, so choose another name")
        made = _from_sandbox(sandbox, card_no, sold=not unsold) if sandbox else _minted(profile, card_no, balance_fen)
        write_image(image, made)
        return made.card_no

    console.print(run(work()), highlight=False)


# --- reading ----------------------------------------------------------------------------------------------------------


async def _shown(image: Path | None, reader: str) -> dict[str, Any]:
    with channel_of(image, reader) as card:
        return shown(read_card(card))


def shown(reading: CardReading) -> dict[str, Any]:
    """What people see of a card; amounts in fen, dates in ISO form."""
    file15 = reading.file15
    try:
        profile = reading.profile.name
        card_no = reading.profile.card_no(file15)
    except TongkaError:  # a card of another city is shown all the same
        profile, card_no = "unknown", file15.asn
    return {
        "card_no": card_no,
        "profile": profile,
        "balance_fen": reading.balance,
        "online_atc": reading.init.online_atc if reading.init else None,
        "algorithm_byte": reading.init.algorithm if reading.init else None,
        "enabled": file15.enabled,
        **{name: value for name, value in file15.shown().items() if name not in {"enable_flag", "private"}},
        "log": [_log_entry(record) for record in reading.log()],
    }


def _log_entry(record: LogRecord) -> dict[str, Any]:
    return record.shown() | {"type": _type_name(record.kind)}


def _type_name(kind: int) -> str:
    known = {member.value: member.name.lower() for member in TransactionType}
    return known.get(kind, f"{kind:02X}")


def _for_people(name: str, value: Any) -> str:
    if name == "balance_fen" and value is not None:
        return f"[green]{format_yuan(value)} 元[/]"
    if name == "enabled":
        return EnableFlag.ENABLED.name.lower() if value else "not sold"
    return "–" if value in {None, ""} else str(value)


def _log_table(entries: list[dict[str, Any]]) -> Table:
    table = Table("no.", "type", "yuan", "terminal", "date", "time")
    for entry in entries:
        table.add_row(
            str(entry["sequence"]), entry["type"], format_yuan(entry["amount"]), entry["terminal"], entry["date"],
            entry["time"],
        )  # fmt: skip
    return table


# --- making -----------------------------------------------------------------------------------------------------------


def _from_sandbox(path: Path, card_no: str, *, sold: bool) -> CardImage:
    try:
        cards = json.loads(path.read_bytes())["cards"]
    except (OSError, ValueError, KeyError) as wrong:
        raise Malformed(str(path), f"not a sandbox.json with cards: {wrong}") from wrong
    found = next((one for one in cards if (one["card_no"] == card_no if card_no else one["enabled"] is sold)), None)
    if found is None:
        raise Malformed("--number", f"{path} has no card {card_no or 'that fits'}")
    return furnish(CardImage.from_json(found))


def _minted(profile_name: str, card_no: str, balance_fen: int) -> CardImage:
    profile = profile_named(profile_name)
    masters = KeySet(*(secrets.token_bytes(16) for _ in range(4)))
    number = card_no or _made_up(profile.asn_prefix, profile.card_no_digits)
    return furnish(personalise(profile, number, masters, Blank(balance_fen=balance_fen)))


def _made_up(prefix: str, digits: int) -> str:
    """A random number of a card type."""
    free = 20 - len(prefix)
    return f"{prefix}{secrets.randbelow(10**free):0{free}d}"[-digits:]
