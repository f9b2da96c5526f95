"""The settings of payments: who is asked, and our accounts at the institutions that riders pay at."""

from typing import Annotated, Literal

from msgspec import Meta

from tongka.settings_base import Seconds, Section

RefundDays = Annotated[
    int, Meta(description="days after a payment in which the contract lets it be refunded", ge=1, le=3650)
]


class Payments(Section, frozen=True):
    """The payment institution that refunds and queries go to."""

    institution: Annotated[
        Literal["none", "simulator"], Meta(description="none: partners vouch for payments; simulator: for the sandbox")
    ] = "none"
    notify_url: Annotated[
        str, Meta(description="where institutions send notices: our /app/v1/notices as they reach it")
    ] = ""
    timeout_s: Annotated[Seconds, Meta(description="how long an answer is waited for before it is unknown")] = 10
    ask_again_s: Annotated[Seconds, Meta(description="after which an unanswered refund is asked about again")] = 60


class Alipay(Section, frozen=True):
    """Alipay, where riders pay (IF3)."""

    app_id: Annotated[str, Meta(description="our application at Alipay; empty: not connected")] = ""
    app_key_file: Annotated[str, Meta(description="PEM private key of the application, RSA")] = ""
    alipay_key_file: Annotated[
        str, Meta(description="PEM public key of Alipay (not ours) for this application; in certificate mode none")
    ] = ""
    app_certificate_file: Annotated[
        str,
        Meta(description="certificate mode: the application's, appCertPublicKey_….crt; empty: no such mode"),
    ] = ""
    alipay_certificate_file: Annotated[
        str, Meta(description="certificate mode: Alipay's certificate, alipayCertPublicKey_RSA2.crt")
    ] = ""
    root_certificate_file: Annotated[str, Meta(description="certificate mode: Alipay's roots, alipayRootCert.crt")] = ""
    gateway: Annotated[str, Meta(description="where requests go", pattern=r"^https?://\S+$")] = (
        "https://openapi.alipay.com/gateway.do"
    )
    refund_days: RefundDays = 365

    @property
    def certificates(self) -> tuple[str, str, str]:
        return self.app_certificate_file, self.alipay_certificate_file, self.root_certificate_file

    @property
    def by_certificate(self) -> bool:
        """Certificate mode, and not public-key mode."""
        return any(self.certificates)


class Wechat(Section, frozen=True):
    """WeChat Pay, where riders pay (IF3)."""

    merchant_id: Annotated[str, Meta(description="our merchant number; empty: not connected")] = ""
    app_id: Annotated[str, Meta(description="the app that riders pay in")] = ""
    key_file: Annotated[str, Meta(description="PEM private key of the merchant's certificate")] = ""
    certificate_serial: Annotated[str, Meta(description="serial number of that certificate, hex")] = ""
    api_key_file: Annotated[str, Meta(description="APIv3 key, 32 characters: it opens notices")] = ""
    public_key_file: Annotated[str, Meta(description="PEM public key of WeChat Pay")] = ""
    public_key_id: Annotated[str, Meta(description="its identifier, PUB_KEY_ID_…")] = ""
    gateway: Annotated[str, Meta(description="where requests go", pattern=r"^https?://\S+$")] = (
        "https://api.mch.weixin.qq.com"
    )
    refund_days: RefundDays = 365
