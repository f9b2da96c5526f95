"""What a journey says no with. The partners map the codes to their own."""

from tongka.errors import CardError, Failed, MacWrong, Refused


class OrderNotFound(Refused):
    """No order of that number that this institution may touch."""

    code = "order_not_found"


class OrderWithdrawn(Refused):
    """The order was cancelled; it is being refunded, or was."""

    code = "order_withdrawn"


class AlreadyCharged(Refused):
    """The order's amount is on the card."""

    code = "already_charged"


class NeedsCardManagement(Refused):
    """A command of this or another order of the card may be under way: run card management first."""

    code = "needs_card_management"


class AmountDiffers(Refused):
    """The amount is not the order's, or not what was paid."""

    code = "amount_differs"


class AmountTooSmall(Refused):
    """Below the smallest top-up of this card type."""

    code = "amount_too_small"


class AmountNotMultiple(Refused):
    """Not a multiple of the card type's base."""

    code = "amount_not_multiple"


class OverMaximum(Refused):
    """The card would hold more than its type allows, or the single top-up is too large."""

    code = "over_maximum"


class CardHoldsLess(Refused):
    """The card holds less than is to be unloaded."""

    code = "card_holds_less"


class RepeatedPayment(Refused):
    """The payment pays for another order."""

    code = "order_number_repeated"


class CardNotFound(Refused):
    """The card is not on our books."""

    code = "card_not_found"


class CardBlacklisted(Refused):
    """The card is on the blacklist."""

    code = "card_blacklisted"


class CardStateWrong(Refused):
    """The card's state does not allow this: not yet sold, sold already, lost, returned, expired."""

    code = "card_state_wrong"


class WrongCard(Refused):
    """The answers come from another card than the order's."""

    code = "wrong_card"


class StaleScript(Refused):
    """The answers belong to an earlier card management script."""

    code = "stale_script"


class CardReportedError(CardError):
    """The card answered a status word other than 9000."""

    code = "card_status"


class OperationFailed(Refused):
    """The terminal says that the card was not written."""

    code = "operation_failed"


class OperationUnknown(Failed):
    """The card's answer is kept and will be verified as soon as the keys answer."""

    code = "operation_unknown"


class TacWrong(MacWrong):
    """The TAC does not verify."""

    code = "tac_wrong"


class TooManyWrongMacs(Refused):
    """The card failed too many MACs within an hour."""

    code = "too_many_wrong_macs"


class PaymentMethodUnknown(Refused):
    """No such payment method."""

    code = "payment_method_unknown"


class TooEarly(Refused):
    """The waiting period of a bad card's return is not over."""

    code = "too_early"


class TooManyRequests(Failed):
    """More requests than the channel or the terminal may send in a minute."""

    code = "too_many_requests"


class PrepaidInsufficient(Refused):
    """The prepaid account holds less than that."""

    code = "prepaid_insufficient"


class SupplyRepeated(Refused):
    """The id of a supply was used before, with another merchant or amount."""

    code = "supply_repeated"


class PasswordWrong(Refused):
    """The password is not that of a card that can be used; which part is wrong is not told."""

    code = "password_wrong"


class TooManyPasswords(Refused):
    """Too many wrong passwords within an hour, of the domain, the terminal or the card."""

    code = "too_many_passwords"


class PasswordTooWeak(Refused):
    """A new password breaks the rules for passwords."""

    code = "password_too_weak"


class UsedWhole(Refused):
    """A recharge card is used whole: the amount must be its own."""

    code = "used_whole"


class NotUnlocked(Refused):
    """The group card was not verified within the last minutes."""

    code = "not_unlocked"


class AllotmentExceeded(Refused):
    """More than is left of what was allotted to the group card."""

    code = "allotment_exceeded"


class DecisionDiffers(Refused):
    """Another person has proposed the opposite for this order."""

    code = "decision_differs"


class ProposalGone(Refused):
    """Nothing is proposed for the order any more, or something else: look again."""

    code = "proposal_gone"


class OperatorWrong(Refused):
    """No active operator of that name has this passphrase; which part is wrong is not told."""

    code = "operator_wrong"
