"""Why a ride code is refused: the document's numbers and names (Alipay 4.1.5), for gates in C and for Python alike."""

from enum import IntEnum

from tongka.errors import Refused


class Reason(IntEnum):
    """The SDK's answers. 1 is success; −13 and −14 belong to later generations of terminals and are not given here."""

    MALFORMED_QRCODE = -1
    QRCODE_INFO_EXPIRED = -2
    QRCODE_KEY_EXPIRED = -3
    POS_PARAM_ERROR = -4
    QUOTA_EXCEEDED = -5
    NO_ENOUGH_MEMORY = -6
    SYSTEM_ERROR = -7
    CARDTYPE_UNSUPPORTED = -8
    NOT_INITIALIZED = -9
    ILLEGAL_PARAM = -10
    PROTO_UNSUPPORTED = -11
    QRCODE_DUPLICATED = -12


class CodeRefused(Refused):
    """A ride code, or the record of one, is refused; `reason` is the document's."""

    code = "code_refused"

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(f"{reason.name}: {why}")
        self.reason = reason
        self.why = why
