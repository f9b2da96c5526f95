"""What the wallet's journeys say no with."""

from tongka.errors import Refused, RepeatedWithOtherContents


class SessionUnknown(Refused):
    """No such session, or its time is over; submit the order again to get it back."""

    code = "session_unknown"


class WalletOrderUnknown(Refused):
    """No order of that number of this institution."""

    code = "wallet_order_unknown"


class OrderDiffers(RepeatedWithOtherContents):
    """The order's number was used before, with other contents."""

    code = "order_differs"


class IssuerUnknown(Refused):
    """No issuer of that name gives out cards for phones."""

    code = "issuer_unknown"


class DeviceUnknown(Refused):
    """The device has no secure element of ours, or none that the order allows."""

    code = "device_unknown"


class NotInDevice(Refused):
    """The card is not in that device."""

    code = "not_in_device"


class NoCommonGround(Refused):
    """Nothing that the handshake offers is what this order needs."""

    code = "no_common_ground"


class NotPaid(Refused):
    """The order is not paid."""

    code = "not_paid"


class NotWithdrawable(Refused):
    """The order may have reached the card; it can be withdrawn when the card has said that it did not."""

    code = "not_withdrawable"


class NotYours(Refused):
    """Only the institution that opened a card may update, lock or delete it; anybody may top it up."""

    code = "not_yours"
