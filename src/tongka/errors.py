"""The tree of errors, on one screen.

Three kinds never merge: a **refusal** (we looked, and the answer is no), a **failure** (we could not look; trying
again may help) and an **unknown** (something was done, and nobody knows yet whether it took effect). Every error has
a stable `code`, which is what logs, metrics and the partners' code tables are keyed by, and says whether a retry
helps. The text is for people: it names the field and the remedy.
"""

from typing import ClassVar


class TongkaError(Exception):
    """Whatever this platform says no with."""

    code: ClassVar[str] = "error"
    retry_helps: ClassVar[bool] = False


# --- refusals: certain, and a repeat gets the same answer -------------------------------------------------------------


class Refused(TongkaError):
    """The request was understood and is refused; nothing moved."""

    code = "refused"


class Malformed(Refused):
    """A value does not have its declared form."""

    code = "malformed"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class BadSignature(Refused):
    """A signature, token or message MAC does not verify."""

    code = "bad_signature"


class UnknownParty(Refused):
    """An institution, merchant, terminal, network or operator that is not on our books; `role` names which."""

    code = "unknown_party"

    def __init__(self, role: str, name: str) -> None:
        super().__init__(f"{role} {name!r} is not known or not active")
        self.role = role


class RepeatedWithOtherContents(Refused):
    """A serial number or id that was used before, with other contents."""

    code = "repeated_with_other_contents"


class Stale(Refused):
    """A new message whose time stamp is outside the window."""

    code = "stale"


class CardError(Refused):
    """What a card answered, or how, forbids the step."""

    code = "card_error"


class CardAnswersMissing(CardError):
    """Not as many card answers as commands, or none where the step needs them."""

    code = "card_answers_missing"


class MacWrong(CardError):
    """A MAC or TAC of the card does not verify."""

    code = "mac_wrong"


class KeyNotFound(Refused):
    """The key store holds no key of that name and version."""

    code = "key_not_found"


class Unsupported(Refused):
    """A known thing that this installation, token or card type does not do."""

    code = "unsupported"


class Misconfigured(Refused):
    """A setting is missing or contradicts another; the text names the key and the remedy."""

    code = "misconfigured"


class LedgerRefused(Refused):
    """A posting that the books forbid; `reason` is the sentence of `tongka.ledger.REFUSALS` that says which rule."""

    code = "ledger_refused"

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(f"{reason}: {why}")
        self.reason = reason


# --- failures: nothing is known to have happened; trying again may help -----------------------------------------------


class Failed(TongkaError):
    """We could not look or act; nothing was done."""

    code = "failed"
    retry_helps = True


class Busy(Failed):
    """Another request holds what this one needs."""

    code = "busy"


class HsmUnavailable(Failed):
    """The key store did not answer."""

    code = "hsm_unavailable"


class CardGone(Failed):
    """The card left the field, or the reader failed: what the card did with the last command is not known here."""

    code = "card_gone"


# --- unknown: to be found out, never guessed --------------------------------------------------------------------------


class Unknown(TongkaError):
    """Something was sent out and its effect is not known; only evidence or the other side's answer decides."""

    code = "unknown"
    retry_helps = True
