"""What several journeys look at before they move: the card on our books, its answers, the order's owner."""

from dataclasses import dataclass

from tongka.card.apdu import Response
from tongka.card.commands import CommandKind, classify
from tongka.card.files import File15
from tongka.card.profiles import CardProfile, profile_named
from tongka.card.reading import CardReading, understand
from tongka.card.script import Script
from tongka.journeys.call import Call
from tongka.journeys.refusals import (
    AlreadyCharged,
    AmountDiffers,
    CardBlacklisted,
    CardNotFound,
    CardReportedError,
    CardStateWrong,
    OrderNotFound,
    OrderWithdrawn,
    RepeatedPayment,
    TooManyWrongMacs,
    WrongCard,
)
from tongka.keys import CardKeys
from tongka.orders import DONE, MANAGEABLE, OPEN, WITHDRAWN, Kind
from tongka.store import cards, guesses, orders
from tongka.store.cards import CardRow
from tongka.store.orders import Order

NORMAL, BLACKLISTED = "00", "01"
MAC_FAILURES_COUNT = guesses.HOUR
"""How long a failed MAC of a card is held against it."""
FCI_FILE15 = bytes.fromhex("9F0C1E")
"""The tag under which SELECT answers file 0015."""


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card on our books, with its type."""

    row: CardRow
    profile: CardProfile
    file15: File15

    @property
    def card_no(self) -> str:
        return self.row.card_no

    def keys(self, version: int | None = None) -> CardKeys:
        version = self.row.key_version if version is None else version
        return CardKeys(self.profile.name, self.profile.algorithm, version, self.profile.factors(self.file15))


async def known_card(call: Call, card_no: str) -> KnownCard:
    """The card, whatever its status.

    Raises:
        CardNotFound: not on our books.

    """
    seen = call.sight.card if call.sight else None
    row = seen if seen and seen.card_no == card_no else await cards.find(call.system.database, card_no)
    if row is None:
        raise CardNotFound(f"card {card_no} is not on our books")
    return card_of(row)


def card_of(row: CardRow) -> KnownCard:
    return KnownCard(row, profile_named(row.profile), File15.parse(row.file15))


def require_usable(card: KnownCard, call: Call, *, sold: bool) -> None:
    """Refuse blacklisted, lost, returned, expired cards, and those not yet (or already) sold."""
    if card.row.status == BLACKLISTED:
        raise CardBlacklisted(f"card {card.card_no} is on the blacklist")
    if card.row.status != NORMAL or card.row.enabled is not sold:
        raise CardStateWrong(f"card {card.card_no} has status {card.row.status}, sold: {card.row.enabled}")
    if card.row.valid_to and card.row.valid_to < call.day:
        raise CardStateWrong(f"card {card.card_no} expired on {card.row.valid_to}")


async def own_order(call: Call, order_no: str, card_no: str, *kinds: Kind) -> Order:
    """The caller's order of this card.

    Raises:
        OrderNotFound: none of that number, or another institution's.
        WrongCard: it belongs to another card (000150).

    """
    order = await _order_numbered(call, order_no)
    return _require_order(order if order and order.institution == call.actor else None, order_no, card_no, kinds)


async def order_at_hand(call: Call, order_no: str, card_no: str, *kinds: Kind) -> Order:
    """The caller's order of this card, or anybody's whose command has left.

    A broken load is recovered wherever the card is, also over another interface than it began on: the card's own word
    decides, and nobody gains by it but the card's holder.
    """
    order = await _order_numbered(call, order_no)
    if order and order.institution != call.actor and order.state not in {*MANAGEABLE, *DONE}:
        order = None
    return _require_order(order, order_no, card_no, kinds)


async def _order_numbered(call: Call, order_no: str) -> Order | None:
    seen = call.sight.order if call.sight else None
    return seen if seen and seen.order_no == order_no else await orders.by_number(call.system.database, order_no)


async def standing_of(call: Call, card_no: str) -> Order | None:
    """The card's open load, or else the latest that the caller was paid for and that is not on the card."""
    sight = call.sight
    if sight and sight.wanted.standing and sight.wanted.card_no == card_no:
        return sight.standing
    found = await orders.standing(call.system.database, card_no, call.actor)
    return min(found, key=lambda order: order.state not in OPEN, default=None)


async def order_paid_by(call: Call, payment_order: str) -> Order | None:
    """The caller's order that this payment pays for, if it made one."""
    sight = call.sight
    if sight and not sight.wanted.order_no and sight.wanted.payment_order == payment_order:
        return sight.order
    return await orders.by_payment(call.system.database, call.actor, payment_order)


def _require_order(order: Order | None, order_no: str, card_no: str, kinds: tuple[Kind, ...]) -> Order:
    if order is None or order.kind not in kinds:
        raise OrderNotFound(f"there is no order {order_no} of this institution")
    if order.card_no != card_no:
        raise WrongCard(f"order {order_no} is not of card {card_no}")
    return order


def require_alive(order: Order) -> None:
    """Refuse what is finished either way."""
    if order.state in WITHDRAWN:
        raise OrderWithdrawn(f"order {order.order_no} was cancelled")
    if order.state in DONE:
        raise AlreadyCharged(f"order {order.order_no} is on the card")


def require_amount(order: Order, amount_fen: int) -> None:
    if order.amount_fen != amount_fen:
        raise AmountDiffers(f"the order's amount is {order.amount_fen} fen, not {amount_fen}")


def require_payment(call: Call, order: Order, payment_order: str) -> None:
    """Refuse a payment of the caller's that is not his order's; another institution's card may be at hand."""
    if payment_order and order.institution == call.actor and payment_order != order.payment_order:
        raise RepeatedPayment(f"order {order.order_no} was not paid by {payment_order}")


def answer_to(script: Script, kind: CommandKind) -> Response | None:
    """The last answer to a command of this kind."""
    return next((answer for command, answer in reversed(script) if classify(command) is kind), None)


def require_all_ok(script: Script) -> None:
    """Refuse a script with a status word other than 9000 (000027)."""
    for command, answer in script:
        if not answer.ok:
            raise CardReportedError(f"{classify(command).name} answered {answer.sw:04X}")


def read_same_card(script: Script, card: KnownCard) -> CardReading:
    """Understand the script, and refuse another card's.

    Raises:
        WrongCard: file 0015, read or in SELECT's answer, has another number (000150).

    """
    reading = understand(script)
    told = reading.files.get(File15.NAME) or _file15_of_fci(script)
    if told is not None and File15.parse(told).asn != card.row.asn:
        raise WrongCard(f"the answers come from another card than {card.card_no}")
    return reading


def _file15_of_fci(script: Script) -> bytes | None:
    answer = answer_to(script, CommandKind.SELECT)
    _, tag, rest = answer.data.partition(FCI_FILE15) if answer and answer.ok else (b"", b"", b"")
    return rest[: File15.LENGTH] if tag and len(rest) >= File15.LENGTH else None


async def require_trusted(call: Call, card: KnownCard) -> None:
    """Refuse a card that failed too many MACs within the hour: 32 bits can be guessed at (000080)."""
    if call.sight and call.sight.wanted.card_no == card.card_no:
        failures = call.sight.mac_failures
    else:
        failures = await guesses.mac_failures_since(call.system.database, card.card_no, call.at - MAC_FAILURES_COUNT)
    if failures >= call.system.settings.city.mac_failures_per_hour:
        raise _too_many(card, failures)


async def count_failure(call: Call, card: KnownCard) -> None:
    """Hold a failed MAC against the card.

    Raises:
        TooManyWrongMacs: of many at the same time this is one too many; it is told no more than those after it.

    """
    most = call.system.settings.city.mac_failures_per_hour
    beyond = await guesses.count_mac_failure(call.system.database, card.card_no, call.at, most)
    if beyond:
        raise _too_many(card, most + beyond)


def _too_many(card: KnownCard, failures: int) -> TooManyWrongMacs:
    return TooManyWrongMacs(f"card {card.card_no} failed {failures} MACs within an hour; try again later")
