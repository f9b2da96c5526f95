"""A code under the lamp: every check of docs/ridecode.md by its number, each with its own outcome.

A gate stops at the first refusal, and that is the verdict here too; the later checks are made all the same, because a
person wants to know all that is wrong. Checks that would look at what was not read are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tongka.code.layout import Credential, MinistryCode, RideCode, parse_code
from tongka.code.reasons import CodeRefused, Reason
from tongka.code.verify import CHECKS, Terms, format_is_taken

NAMES: Final = {
    2: "format, version and algorithm are known",
    3: "every length adds up",
    4: "the key is in the key list",
    5: "the signatures hold",
    6: "the issuer's certificate is current",
    7: "the authorisation is current",
    8: "the code is fresh",
    9: "the amount is within the limit",
    10: "the card type is taken here",
}
"""Numbers of the checks in docs/ridecode.md. 1, 11 and 12 are the gate's own: its arguments, buffers and memory."""

FIRST_OF_CHECKS: Final = 4


class Outcome(StrEnum):
    """What a check said."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_MADE = "not made"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check; `reason` and `why` are of its refusal."""

    number: int
    check: str
    outcome: Outcome
    reason: Reason | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings in the order of the numbers, and the code as far as it could be read."""

    findings: tuple[Finding, ...]
    code: RideCode | None

    @property
    def refusal(self) -> Finding | None:
        """What a gate would say; None if it would let the code through."""
        return next((one for one in self.findings if one.outcome is Outcome.REFUSED), None)


def examine(code: bytes, terms: Terms) -> Examination:
    """Make every check that can be made."""
    parsed: RideCode | None = None
    refusal: CodeRefused | None = None
    try:
        format_is_taken(code, terms.keys)
        parsed = parse_code(code)
    except CodeRefused as error:
        refusal = error
    return Examination((*_reading(refusal), *_checks(parsed, terms)), parsed)


def _reading(refusal: CodeRefused | None) -> Iterator[Finding]:
    """Checks 2 and 3: a format that is not known is not read any further."""
    unknown = refusal if refusal and refusal.reason is Reason.PROTO_UNSUPPORTED else None
    yield _finding(2, unknown)
    yield _finding(3, refusal) if unknown is None else Finding(3, NAMES[3], Outcome.NOT_MADE)


def _checks(parsed: RideCode | None, terms: Terms) -> Iterator[Finding]:
    for number, check in enumerate(CHECKS, FIRST_OF_CHECKS):
        if parsed is None:
            yield Finding(number, NAMES[number], Outcome.NOT_MADE)
            continue
        try:
            check(parsed, terms)
        except CodeRefused as error:
            yield _finding(number, error)
        else:
            yield _finding(number, None)


def _finding(number: int, refusal: CodeRefused | None) -> Finding:
    if refusal is None:
        return Finding(number, NAMES[number], Outcome.PASSED)
    return Finding(number, NAMES[number], Outcome.REFUSED, refusal.reason, refusal.why)


def fields_of(code: RideCode) -> dict[str, str | int]:
    """What a code says, flat, for people and programs; bytes as hex, moments as unix seconds."""
    parts = code.parts
    shown: dict[str, str | int] = {
        "format": code.format.value,
        "bytes": len(code.raw),
        "user_id": code.user_id,
        "card_type": code.card_type,
        "card_no": code.card_no,
        "card_data": code.card_data.hex().upper(),
        "generated": code.generated,
        "valid_s": code.valid_s,
        "expires_at": code.expires_at,
        "limit_fen": code.limit_fen,
        "user_key": code.user_key.hex().upper(),
    }
    if isinstance(parts, MinistryCode):
        return shown | {"account_type": parts.account_type, "card_issuer": parts.card_issuer.hex().upper()}
    holder = Credential.parse(parts.credential)
    return shown | {"algorithm": parts.algorithm, "key_id": parts.key_id, "institution": holder.institution}
