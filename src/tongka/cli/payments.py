"""`tongka payments`: the payment institutions that riders pay at."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.common import ConfigOption, JsonOption, console, print_rows, run, system_of
from tongka.errors import Failed, Malformed, Misconfigured
from tongka.journeys.app.bill import Fetch, compare
from tongka.journeys.app.paying import acquirer_named
from tongka.payments.accounts import text_of
from tongka.payments.bills import READERS, BillLine, read_bill
from tongka.payments.check_keys import PRIVATE, PUBLIC, api_key_complaints, complaints, recognise
from tongka.settings import Settings, load
from tongka.system import System

app = typer.Typer(no_args_is_help=True, help="Payment institutions: check the keys, reconcile the day's bill.")


@app.callback()
def _payments() -> None:
    pass


@app.command("check-keys")
def check_keys(config: ConfigOption = None) -> None:
    """Say what is wrong with the keys of Alipay and WeChat Pay, and how to mend it; exit code 1 if something is."""

    async def work() -> list[str]:
        settings = load(config, os.environ).settings
        return [*_alipay(settings), *_wechat(settings)]

    found = run(work())
    for complaint in found:
        console.print(complaint, markup=False)
    console.print("the keys are good" if not found else f"{len(found)} things to mend")
    raise typer.Exit(int(bool(found)))


@app.command()
def bill(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A bill is there by ten the next morning.")],
    acquirer: Annotated[str, typer.Option(help="alipay, wechat or sandbox; without it, each that is connected.")] = "",
    file: Annotated[Path | None, typer.Option(help="The bill as it was downloaded by hand; of --acquirer.")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List every difference between institutions' bills of a day and our books; exit code 1 if there is any."""
    if file and acquirer not in READERS:
        raise typer.BadParameter(f"--file needs --acquirer, one of {', '.join(READERS)}")

    async def work() -> list[dict[str, object]]:
        async with system_of(config) as system:
            names = [acquirer] if acquirer else list(system.acquirers)
            found = {
                name: await compare(system.database, name, day.date(), _fetch(system, name, day.date(), file))
                for name in names
            }
        return [{"acquirer": name, **asdict(one)} for name, differences in found.items() for one in differences]

    rows = run(work())
    print_rows(rows, as_json=as_json)
    raise typer.Exit(int(bool(rows)))


def _fetch(system: System, name: str, day: date, file: Path | None) -> Fetch:
    """Bills from the institution; a file is that of the day itself, and earlier ones are asked for where that works."""

    async def fetch(wanted: date) -> list[BillLine]:
        if file and wanted == day:
            return read_bill(name, _bytes_of(file))
        if file and name not in system.acquirers:
            raise Failed(f"{name} is not connected")
        return read_bill(name, await acquirer_named(system, name).bill(wanted))

    return fetch


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Malformed("--file", f"cannot be read: {error}") from error


def _alipay(settings: Settings) -> Iterator[str]:
    ours = settings.alipay
    if ours.app_id:
        yield from _pair("alipay", ("app_key_file", ours.app_key_file), ("alipay_key_file", ours.alipay_key_file))


def _wechat(settings: Settings) -> Iterator[str]:
    ours = settings.wechat
    if not ours.merchant_id:
        return
    yield from _pair("wechat", ("key_file", ours.key_file), ("public_key_file", ours.public_key_file))
    try:
        yield from api_key_complaints("wechat.api_key_file", text_of(ours.api_key_file, "wechat.api_key_file"))
    except Misconfigured as error:
        yield str(error)
    for name in ("app_id", "certificate_serial", "public_key_id"):
        if not getattr(ours, name):
            yield f"wechat.{name}: is required"
    if ours.public_key_id and not ours.public_key_id.startswith("PUB_KEY_ID_"):
        yield "wechat.public_key_id: it begins with PUB_KEY_ID_; what you gave may be a certificate's serial number"


def _pair(section: str, private: tuple[str, str], public: tuple[str, str]) -> Iterator[str]:
    """Our private key, and their public one."""
    ours = None
    for (name, path), wanted in ((private, PRIVATE), (public, PUBLIC)):
        setting = f"{section}.{name}"
        try:
            text = text_of(path, setting)
        except Misconfigured as error:
            yield str(error)
            continue
        yield from complaints(setting, text, wanted, ours)
        key = recognise(text)
        ours = key if key.form in PRIVATE else None
