"""The wallet's error codes as its maker publishes them: number, text, and what it means for the order.

A refusal is certain and nothing was written; some say that the order can be refunded. A failure could not look or act.
The codes that end in 19 say that the execution failed half way: the result is unknown until it is reconciled.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from tongka.errors import Failed, Refused, TongkaError, Unknown


class Ending(Enum):
    """How certain a code is."""

    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Code:
    """One row as published; `refundable`: the text says so."""

    number: int
    text: str
    ending: Ending = Ending.REFUSED
    refundable: bool = False


_CANNOT_CONFIRM_ADD = "Failed to confirm the order. The order can be refunded to end the card addition process."
_CANNOT_CONFIRM_RECHARGE = "Failed to confirm the order. The order can be refunded to end the recharging process."

ROWS: tuple[Code, ...] = (
    Code(1010200001, "No permission to access the Wallet APIs."),
    Code(1010200002, "Wallet app not found."),
    Code(1010200003, "The environment of the wallet is not ready."),
    Code(1010200006, "The device's remote paired watch cannot be connected.", Ending.FAILED),
    Code(1010200007, "The OS version is too old. Please upgrade the OS version."),
    Code(1010200008, "The wallet version is too old. Please upgrade the wallet version."),
    Code(1010200009, "The chip space is full, and no more cards can be added."),
    Code(1010200010, "Network connection error.", Ending.FAILED),
    Code(1010200011, "Failed to initialize the environment.", Ending.FAILED),
    Code(1010200013, "Operation failed because of an internal error.", Ending.FAILED),
    Code(1010200014, "The Wallet APIs can be called by the device owner only."),
    Code(1010200016, "This card is not available for the current country or region."),
    Code(1010210101, "The card status is not correct."),
    Code(1010210102, "Failed to verify the caller token."),
    Code(1010210119, "Failed to read the card data.", Ending.FAILED),
    Code(1010210201, "The device does not support adding the card specified by issuerId."),
    Code(1010210202, "A card conflicting with the specified card already exists in the device."),
    Code(1010210203, "The specified card already exists."),
    Code(1010210204, "The card addition service is temporarily offline."),
    Code(
        1010210301,
        "The card adding conditions are not met. The order can be refunded to end the card addition process.",
        refundable=True,
    ),
    Code(1010210302, _CANNOT_CONFIRM_ADD, refundable=True),
    Code(1010210319, "Failed to add the card.", Ending.UNKNOWN),
    Code(1010210401, "The specified card does not exist."),
    Code(1010210402, "The status of the specified card is incorrect."),
    Code(1010210403, _CANNOT_CONFIRM_RECHARGE, refundable=True),
    Code(1010210419, "Failed to recharge the card.", Ending.UNKNOWN),
    Code(1010210501, "The specified card does not exist."),
    Code(1010210502, "The status of the specified card is incorrect."),
    Code(1010210503, "Failed to confirm the order."),
    Code(1010210519, "Failed to update the card data.", Ending.UNKNOWN),
    Code(1010210601, "Failed to confirm the order."),
    Code(1010210619, "The card deleting failed.", Ending.UNKNOWN),
)

BY_NUMBER: dict[int, Code] = {row.number: row for row in ROWS}


class WalletRefused(Refused):
    """The wallet says no."""

    code: ClassVar[str] = "wallet_refused"

    def __init__(self, row: Code, why: str) -> None:
        super().__init__(_sentence(row, why))
        self.row = row


class WalletFailed(Failed):
    """The wallet could not look or act."""

    code: ClassVar[str] = "wallet_failed"

    def __init__(self, row: Code, why: str) -> None:
        super().__init__(_sentence(row, why))
        self.row = row


class WalletUnknown(Unknown):
    """The wallet broke off half way; only the card tells."""

    code: ClassVar[str] = "wallet_unknown"

    def __init__(self, row: Code, why: str) -> None:
        super().__init__(_sentence(row, why))
        self.row = row


WalletError = WalletRefused | WalletFailed | WalletUnknown
_KINDS: dict[Ending, type[WalletRefused] | type[WalletFailed] | type[WalletUnknown]] = {
    Ending.REFUSED: WalletRefused,
    Ending.FAILED: WalletFailed,
    Ending.UNKNOWN: WalletUnknown,
}


def error(number: int, why: str = "") -> TongkaError:
    """The error of a published number."""
    row = BY_NUMBER[number]
    return _KINDS[row.ending](row, why)


def _sentence(row: Code, why: str) -> str:
    return f"{row.number} {row.text}" + (f" ({why})" if why else "")
