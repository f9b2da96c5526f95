"""`tongka gate`: what a gate does, for people: look at ride codes, and show them."""

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from tongka.cli import gate_admin
from tongka.cli.common import JsonOption, console, print_json, run
from tongka.cli.sandbox_file import load_sandbox
from tongka.code import picture
from tongka.code.examine import Examination, Outcome, examine, fields_of
from tongka.code.keys import MINISTRY_PROTO, MasterKeys, master_keys, parse_key_list
from tongka.code.layout import RideCode
from tongka.code.picture import Frame
from tongka.code.verify import Terms
from tongka.days import ZONE
from tongka.errors import Failed, Malformed, Refused

app = typer.Typer(no_args_is_help=True, help="Ride codes at a gate; the gates of the merchant.")
for _name, _command in (
    ("add", gate_admin.add),
    ("list", gate_admin.list_gates),
    ("stop", gate_admin.stop),
    ("start", gate_admin.start),
):
    app.command(_name)(_command)

STDIN = "-"
REFUSED = 1
SANDBOX_CA = 1
"""The index of the CA whose key stands in sandbox.json."""
COLOURS = {Outcome.PASSED: "green", Outcome.REFUSED: "bold red", Outcome.NOT_MADE: "dim"}
MOMENTS = ("generated", "expires_at")

SourceArgument = Annotated[
    str,
    typer.Argument(help="A picture, a camera frame, or a file with a code as bytes or hex; hex itself; - is stdin."),
]
KeysOption = Annotated[Path, typer.Option("--keys", "-k", help="A key list (JSON), or a sandbox.json.")]
FrameOption = Annotated[str, typer.Option(help="The source is a raw camera frame, e.g. 640x480:yuyv.")]


@app.command()
def verify(
    source: SourceArgument,
    keys: KeysOption,
    *,
    card_type: Annotated[list[str] | None, typer.Option(help="Card types taken here; all if left out.")] = None,
    amount_fen: Annotated[int, typer.Option(min=0, help="The fare; 0 where it is not known yet.")] = 0,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%S"], help="The gate's clock, city time; now if left out."),
    ] = None,
    frame: FrameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make every check of a ride code; exit code 1 with the reason if a gate would refuse it."""

    async def work() -> Examination:
        when = at.replace(tzinfo=ZONE) if at else datetime.now(ZONE)
        types = frozenset(card_type) if card_type else None
        terms = Terms(keys=_keys(keys), at=int(when.timestamp()), card_types=types, amount_fen=amount_fen)
        return examine(_code(source, frame), terms)

    found = run(work())
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    raise typer.Exit(REFUSED if found.refusal else 0)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A code to be issued by a sandbox."""

    user_id: str
    format: str
    card_no: str

    def body(self) -> dict[str, str]:
        return {"user_id": self.user_id, "format": self.format} | ({"card_no": self.card_no} if self.card_no else {})


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="As for verify; left out: a fresh code of a sandbox's user.")] = "",
    *,
    sandbox: Annotated[Path | None, typer.Option("--from", help="The sandbox.json that issues a fresh code.")] = None,
    user_id: Annotated[str, typer.Option("--user", help="Whose; the first of its users if left out.")] = "",
    code_format: Annotated[str, typer.Option("--format", help="alipay, operator or ministry.")] = "alipay",
    card_no: Annotated[str, typer.Option("--card", help="The virtual card to ride with.")] = "",
    png: Annotated[Path | None, typer.Option(help="Write a PNG here instead.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write an SVG here instead.")] = None,
    as_hex: Annotated[bool, typer.Option("--hex", help="Print the code's bytes as hex instead.")] = False,
) -> None:
    """Show a ride code as a QR code in the terminal, or write its picture."""
    code = run(_to_show(source, sandbox, _Wanted(user_id, code_format, card_no)))
    if png:
        png.write_bytes(picture.png(code))
    if svg:
        svg.write_text(picture.svg(code), encoding="utf-8")
    if as_hex:
        typer.echo(code.hex().upper())
    if not (png or svg or as_hex):
        typer.echo(picture.terminal(code))


async def _to_show(source: str, sandbox: Path | None, wanted: _Wanted) -> bytes:
    if source:
        return _code(source, "")
    if sandbox is None:
        raise Malformed("source", "give a code, or --from with a sandbox.json that issues one")
    city = load_sandbox(sandbox)
    user_id = wanted.user_id or city["alipay"]["users"][0]["user_id"]
    return await _issue(city["ride"]["issue_url"], _Wanted(user_id, wanted.format, wanted.card_no))


async def _issue(url: str, wanted: _Wanted) -> bytes:
    try:
        async with httpx.AsyncClient() as http:
            answer = await http.post(url, json=wanted.body())
    except httpx.TransportError as error:
        raise Failed(f"{url}: the sandbox does not answer ({error}); is it running?") from error
    if answer.is_error:
        raise Refused(f"{url}: {answer.text.strip()}")
    return bytes.fromhex(answer.json()["code"])


# --- reading ----------------------------------------------------------------------------------------------------------


def _keys(path: Path) -> MasterKeys:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Malformed("--keys", f"cannot be read: {error}") from error
    if text.lstrip()[:1] == b"{":
        ride = load_sandbox(path)["ride"]
        ministry = {"proto": MINISTRY_PROTO, "key_id": SANDBOX_CA, "public_key": ride["ca_public_key"]}
        return master_keys([*ride["keys"], ministry])
    return parse_key_list(text)


def _code(source: str, frame: str) -> bytes:
    """The one ride code of a source.

    Raises:
        Malformed: no code in it, or several.

    """
    data = _bytes_of(source)
    if frame:
        return _only(picture.codes_in_frame(data, Frame.parse(frame)))
    if (code := _hex(data)) is not None:
        return code
    try:
        return _only(picture.codes_in_picture(data))
    except Malformed:
        if data[:1] and _may_be_code(data):
            return data
        raise


def _bytes_of(source: str) -> bytes:
    if source == STDIN:
        return sys.stdin.buffer.read()
    if _hex(source.encode()) is not None:
        return source.encode()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise Malformed("source", f"is neither hex nor a file that can be read: {error.strerror}") from error


def _hex(data: bytes) -> bytes | None:
    try:
        return bytes.fromhex(data.decode("ascii")) or None
    except ValueError:
        return None


def _may_be_code(data: bytes) -> bool:
    """A file with a code's bytes begins as codes begin; a picture of a format that is not known does not."""
    return data[0] in (0x02, 0x54) or data[0] in range(0x80, 0x88)


def _only(codes: list[bytes]) -> bytes:
    if len(codes) != 1:
        raise Malformed("source", f"shows {len(codes) or 'no'} QR codes; one is expected")
    return codes[0]


# --- telling ----------------------------------------------------------------------------------------------------------


def _as_json(found: Examination) -> dict[str, Any]:
    refusal = found.refusal
    return {
        "accepted": refusal is None,
        "result": int(refusal.reason) if refusal and refusal.reason else 1,
        "reason": refusal.reason.name if refusal and refusal.reason else "",
        "checks": [
            {
                "number": one.number,
                "check": one.check,
                "outcome": one.outcome.value,
                "reason": one.reason.name if one.reason else "",
                "why": one.why,
            }
            for one in found.findings
        ],
        "code": fields_of(found.code) if found.code else None,
    }


def _print(found: Examination) -> None:
    table = Table("", "check", "", "")
    for one in found.findings:
        told = f"{one.reason.name} ({one.reason.value}): {one.why}" if one.reason else ""
        table.add_row(str(one.number), one.check, f"[{COLOURS[one.outcome]}]{one.outcome}[/]", told)
    console.print(table)
    if found.code:
        _print_fields(found.code)
    refusal = found.refusal
    if refusal and refusal.reason:
        console.print(f"[bold red]refused[/] {refusal.reason.name} ({refusal.reason.value})", highlight=False)
    else:
        console.print("[bold green]a gate lets this code through[/]")


def _print_fields(code: RideCode) -> None:
    for name, value in fields_of(code).items():
        shown = f"{value} ({datetime.fromtimestamp(int(value), ZONE):%F %T})" if name in MOMENTS else value
        console.print(f"[bold]{name:<13}[/] {shown}", highlight=False)
