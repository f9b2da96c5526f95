"""Our accounts at payment institutions, read from the settings and the key files that they name."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tongka.errors import Misconfigured
from tongka.payments.alipay import AlipayAccount, Certificates
from tongka.payments.wechat import WechatAccount
from tongka.settings import Settings
from tongka.settings_payments import Alipay as AlipaySettings

A = TypeVar("A")
C = TypeVar("C")


def connect(settings: Settings, kind: Callable[[A], C], account_of: Callable[[Settings], A]) -> C:
    """An acquirer over an account.

    Raises:
        Misconfigured: its keys are not usable.

    """
    account = account_of(settings)
    try:
        return kind(account)
    except Exception as error:  # the libraries raise what their crypto libraries raise
        name = kind.__name__.lower() if isinstance(kind, type) else "payments"
        raise Misconfigured(
            f"{name}: the library refuses these keys ({error}); `tongka payments check-keys` says which and why"
        ) from error


def alipay_account(settings: Settings) -> AlipayAccount:
    ours = settings.alipay
    return AlipayAccount(
        app_id=ours.app_id,
        app_private_key=text_of(ours.app_key_file, "alipay.app_key_file"),
        alipay_public_key="" if ours.by_certificate else text_of(ours.alipay_key_file, "alipay.alipay_key_file"),
        certificates=_certificates(ours) if ours.by_certificate else None,
        notify_url=_notify_url(settings, "alipay"),
        gateway=ours.gateway,
        timeout_s=settings.payments.timeout_s,
        refund_days=ours.refund_days,
    )


def _certificates(ours: AlipaySettings) -> Certificates:
    return Certificates(
        app=text_of(ours.app_certificate_file, "alipay.app_certificate_file"),
        alipay=text_of(ours.alipay_certificate_file, "alipay.alipay_certificate_file"),
        root=text_of(ours.root_certificate_file, "alipay.root_certificate_file"),
    )


def wechat_account(settings: Settings) -> WechatAccount:
    ours = settings.wechat
    return WechatAccount(
        merchant_id=ours.merchant_id,
        app_id=ours.app_id,
        private_key=text_of(ours.key_file, "wechat.key_file"),
        certificate_serial=ours.certificate_serial,
        api_key=text_of(ours.api_key_file, "wechat.api_key_file"),
        public_key=text_of(ours.public_key_file, "wechat.public_key_file"),
        public_key_id=ours.public_key_id,
        notify_url=_notify_url(settings, "wechat"),
        gateway=ours.gateway,
        timeout_s=settings.payments.timeout_s,
        refund_days=ours.refund_days,
    )


def _notify_url(settings: Settings, name: str) -> str:
    if not settings.payments.notify_url:
        raise Misconfigured("payments.notify_url: is required where a payment institution is connected")
    return f"{settings.payments.notify_url.rstrip('/')}/{name}"


def text_of(path: str, setting: str) -> str:
    """A key file's text.

    Raises:
        Misconfigured: it is not named, or cannot be read.

    """
    if not path:
        raise Misconfigured(f"{setting}: is required where the institution is connected")
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{setting}: {path} is no readable text: {error}") from error
