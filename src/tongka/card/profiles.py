"""Card types. A new one is a row in `PROFILES`.

A profile says what the operator decided about a type of card: how long its number is, how its keys are derived, how
much its purse may hold, what is allowed with it. The depth and factors of the diversification and the limits are the
operator's choice, not the standard's; so they stand here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tongka.card.commands import MINISTRY_AID
from tongka.card.files import File15
from tongka.crypto.pboc import FACTOR_LEN, Algorithm, Suite, diversify_chain
from tongka.errors import Malformed, Unsupported

HUZHOU_CITY = "3360"
HUZHOU_BIN = "31048806"


def one_level(file15: File15) -> tuple[bytes, ...]:
    """The last 8 bytes of the 10-byte card number."""
    return (file15.number[-FACTOR_LEN:],)


def two_levels(file15: File15) -> tuple[bytes, ...]:
    """The issuer's 8 bytes first, then the card number's last 8."""
    return (file15.issuer, *one_level(file15))


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProfile:
    """One type of card.

    Attributes:
        name: what the code, the store and sandbox.json call it.
        issuer: the 8 issuer bytes that cards of this type are personalised with.
        asn_prefix: how the 20 digits of file 15 begin; with the algorithm it tells the types apart.
        card_no_digits: how many of the last digits are the card's number towards partners.
        factors: the diversification factors, first level first.
        charge_base_fen: a top-up is a multiple of this.
        topup_min_fen, topup_max_fen: of a single top-up.
        deposit_fen: paid at the sale, paid back at the return.
        unload_allowed: whether the purse can be unloaded (圈提).
        pin_required: whether cards of this type have a PIN, which VERIFY has to bring before a load.
        purchase_allowed: whether terminals may debit the purse offline.

    """

    name: str
    label: str
    algorithm: Algorithm
    issuer: bytes
    asn_prefix: str
    card_no_digits: int
    factors: Callable[[File15], tuple[bytes, ...]]
    aid: bytes = MINISTRY_AID
    wallet_max_fen: int = 100_000
    charge_base_fen: int = 1
    topup_min_fen: int = 1
    topup_max_fen: int = 100_000
    deposit_fen: int = 1_800
    unload_allowed: bool = True
    pin_required: bool = False
    purchase_allowed: bool = True

    def card_no(self, file15: File15) -> str:
        """The card's number towards partners: the last 19 or 16 digits of file 15's number."""
        return file15.asn[-self.card_no_digits :]

    def asn(self, card_no: str) -> str:
        """The 20 digits of file 15 for a card number of this type.

        Raises:
            Malformed: the number has other digits than this type's.

        """
        asn = card_no.rjust(20, "0")
        if len(card_no) != self.card_no_digits or not card_no.isdecimal() or not asn.startswith(self.asn_prefix):
            raise Malformed("card_no", f"{self.name} has numbers of {self.card_no_digits} digits: {self.asn_prefix}…")
        return asn

    def card_key(self, suite: Suite, master: bytes, file15: File15) -> bytes:
        """The card's own key of one master key."""
        return diversify_chain(suite, master, self.factors(file15))

    def largest_topup_fen(self, balance: int) -> int:
        """What a card with this balance may be topped up with at most, in one go."""
        room = max(0, min(self.topup_max_fen, self.wallet_max_fen - balance))
        return room - room % self.charge_base_fen


PROFILES: dict[str, CardProfile] = {
    row.name: row
    for row in (
        CardProfile(
            name="huzhou-ministry-3des",
            label="湖州交通联合卡 (3DES)",
            algorithm=Algorithm.TDES,
            issuer=bytes.fromhex("01023360FFFFFFFF"),
            asn_prefix="0" + HUZHOU_BIN,
            card_no_digits=19,
            factors=two_levels,
        ),
        CardProfile(
            name="huzhou-ministry-sm4",
            label="湖州交通联合卡 (国密)",
            algorithm=Algorithm.SM4,
            issuer=bytes.fromhex("01023360FFFFFFFF"),
            asn_prefix="0" + HUZHOU_BIN,
            card_no_digits=19,
            factors=two_levels,
        ),
        CardProfile(
            name="huzhou-city-3des",
            label="湖州市民卡 (3DES)",
            algorithm=Algorithm.TDES,
            issuer=bytes.fromhex("00003360FFFFFFFF"),
            asn_prefix="0000",
            card_no_digits=16,
            factors=one_level,
        ),
    )
}


def profile_named(name: str) -> CardProfile:
    """Look a profile up by its name.

    Raises:
        Unsupported: no such profile; names those there are.

    """
    profile = PROFILES.get(name)
    if profile is None:
        raise Unsupported(f"card profile {name!r} is not known; there are {', '.join(PROFILES)}")
    return profile


def find_profile(file15: File15, algorithm: int | None = None) -> CardProfile:
    """The profile of a card, from its file 15 and the algorithm byte of an INIT answer.

    Without the byte the first row that fits is taken: number and limits do not depend on the algorithm.

    Raises:
        Unsupported: no row fits.

    """
    wanted = None if algorithm is None else Algorithm.of_byte(algorithm)
    for profile in PROFILES.values():
        if file15.asn.startswith(profile.asn_prefix) and (algorithm is None or profile.algorithm is wanted):
            return profile
    raise Unsupported(f"no card profile has numbers like {file15.asn} with algorithm byte {algorithm}")
