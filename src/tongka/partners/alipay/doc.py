"""The tables of the page on the open gateway, written from the messages and the codes themselves."""

from collections.abc import Callable

from tongka import generated
from tongka.generated import table
from tongka.partners.alipay import messages
from tongka.partners.alipay.codes import CARD_ERRORS, COMMON, SUB_TEXTS, TRADE_ERRORS
from tongka.settlement import AGAIN


def common_errors() -> str:
    """What is answered for the common parameters."""
    rows = ((row.under.code, row.under.msg, f"`{name}`", row.text) for name, row in COMMON.items())
    return table(("code", "msg", "sub_code", "sub_msg begins with"), rows)


def business_errors() -> str:
    """sub_codes under 40004."""
    return table(("sub_code", "sub_msg begins with"), ((f"`{name}`", text) for name, text in SUB_TEXTS.items()))


def trade_errors() -> str:
    """error_codes of trades."""
    rows = ((f"`{row.error_code}`", row.text, "yes" if why in AGAIN else "") for why, row in TRADE_ERRORS.items())
    return table(("error_code", "error_message begins with", "need_retry"), rows)


def card_errors() -> str:
    """sub_error_codes of virtualcard.send."""
    return table(("sub_error_code", "err_message"), ((f"`{name}`", text) for name, text in CARD_ERRORS.values()))


BLOCKS: dict[str, Callable[[], str]] = {
    "gateway common errors": common_errors,
    "gateway business errors": business_errors,
    "gateway trade fields": lambda: generated.fields(messages.OfflineTrade),
    "gateway trade errors": trade_errors,
    "gateway card fields": lambda: generated.fields(messages.VirtualCardSend),
    "gateway card errors": card_errors,
    "gateway report fields": lambda: generated.fields(messages.RideReport),
}
"""The generated parts of ``docs/partners/alipay.md``."""


def refresh(page: str) -> str:
    """The page with every generated part written anew."""
    return generated.refresh(page, BLOCKS)
