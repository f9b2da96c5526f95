"""What Your Server says no with."""

from tongka.errors import Refused, RepeatedWithOtherContents


class LoginWrong(Refused):
    """The name or the password is wrong; which one is not told."""

    code = "login_wrong"


class TokenWrong(Refused):
    """The token is unknown or expired: log in again."""

    code = "token_wrong"


class AppOrderUnknown(Refused):
    """The rider has no order of that number."""

    code = "order_unknown"


class AppCardUnknown(Refused):
    """The rider has no card of that number in a phone."""

    code = "card_unknown"


class ProductUnknown(Refused):
    """No such product is offered."""

    code = "product_unknown"


class KeyUsedOtherwise(RepeatedWithOtherContents):
    """The idempotency key was used before, with other contents."""

    code = "idempotency_key_used"


class NotPayable(Refused):
    """The order is not waiting for a payment, or not by this institution."""

    code = "not_payable"


class NotRefundable(Refused):
    """The order's money is on the card, or on its way back."""

    code = "not_refundable"


class ResultStands(Refused):
    """The wallet's result was told before, and was final; or nothing was handed to the wallet yet."""

    code = "result_stands"


class DeviceTaken(Refused):
    """The device that a card is to move to holds one already."""

    code = "device_taken"
