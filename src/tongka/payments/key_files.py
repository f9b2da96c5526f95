"""What is wrong with the key files that the settings name, setting by setting."""

from collections.abc import Generator, Iterator
from datetime import datetime

from tongka.errors import Misconfigured
from tongka.payments.accounts import text_of
from tongka.payments.check_certificates import chain_complaints, own_complaints
from tongka.payments.check_keys import PRIVATE, PUBLIC, Key, api_key_complaints, complaints, recognise
from tongka.settings import Settings
from tongka.settings_payments import Alipay, Wechat

PUBLIC_KEY_ID = "PUB_KEY_ID_"


def complaints_of(settings: Settings, now: datetime) -> Iterator[str]:
    """One line for each fault, with the setting's name and the remedy; nothing of what is not connected."""
    if settings.alipay.app_id:
        yield from _alipay(settings.alipay, now)
    if settings.wechat.merchant_id:
        yield from _wechat(settings.wechat)


def _alipay(given: Alipay, now: datetime) -> Iterator[str]:
    ours = yield from _private("alipay.app_key_file", given.app_key_file)
    if not given.by_certificate:
        yield from _public("alipay.alipay_key_file", given.alipay_key_file, ours)
        return
    texts = {}
    for name in ("app_certificate_file", "alipay_certificate_file", "root_certificate_file"):
        texts[name] = yield from _read(f"alipay.{name}", getattr(given, name))
    if texts["app_certificate_file"]:
        yield from own_complaints("alipay.app_certificate_file", texts["app_certificate_file"], ours, now)
    if texts["alipay_certificate_file"] and texts["root_certificate_file"]:
        names = ("alipay.alipay_certificate_file", "alipay.root_certificate_file")
        theirs = (texts["alipay_certificate_file"], texts["root_certificate_file"])
        yield from chain_complaints(names, theirs, ours, now)


def _wechat(given: Wechat) -> Iterator[str]:
    ours = yield from _private("wechat.key_file", given.key_file)
    yield from _public("wechat.public_key_file", given.public_key_file, ours)
    text = yield from _read("wechat.api_key_file", given.api_key_file)
    if text:
        yield from api_key_complaints("wechat.api_key_file", text)
    for name in ("app_id", "certificate_serial", "public_key_id"):
        if not getattr(given, name):
            yield f"wechat.{name}: is required"
    if given.public_key_id and not given.public_key_id.startswith(PUBLIC_KEY_ID):
        yield f"wechat.public_key_id: it begins with {PUBLIC_KEY_ID}; yours may be a certificate's serial number"


def _private(setting: str, path: str) -> Generator[str, None, Key | None]:
    """Our private key, if it is one."""
    text = yield from _read(setting, path)
    yield from complaints(setting, text, PRIVATE) if text else ()
    key = recognise(text)
    return key if key.form in PRIVATE else None


def _public(setting: str, path: str, ours: Key | None) -> Iterator[str]:
    """The institution's public key."""
    text = yield from _read(setting, path)
    yield from complaints(setting, text, PUBLIC, ours) if text else ()


def _read(setting: str, path: str) -> Generator[str, None, str]:
    """The file's text; empty, and told, where it cannot be read."""
    try:
        return text_of(path, setting)
    except Misconfigured as error:
        yield str(error)
        return ""
