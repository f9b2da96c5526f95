"""`tongka payments`: the payment institutions that riders pay at."""

import os
from collections.abc import Iterator

import typer

from tongka.cli.common import ConfigOption, console, run
from tongka.errors import Misconfigured
from tongka.payments.accounts import text_of
from tongka.payments.check_keys import PRIVATE, PUBLIC, api_key_complaints, complaints, recognise
from tongka.settings import Settings, load

app = typer.Typer(no_args_is_help=True, help="Payment institutions: check the keys.")


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
