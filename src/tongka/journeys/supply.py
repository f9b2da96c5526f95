"""Loads over interfaces that name card, payment and MAC1 in one message, and have no confirm.

The verbs are those of every top-up. Creating comes in two forms: a trade is opened first, its amount not yet known, and
paid as MAC1 comes (`open_trade`, `load_trade`); or one message says all (`load_card`). Either way the money is drawn
in the same move that pins the order to the card's counter, and a rewrite draws nothing.
"""

from dataclasses import dataclass

from tongka.card.purse import LoadInit, Moment, TransactionType
from tongka.errors import LedgerRefused, Refused, RepeatedWithOtherContents
from tongka.journeys import counter, looks, topup
from tongka.journeys.call import Call
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import NeedsCardManagement, OrderNotFound, WrongCard
from tongka.journeys.topup import Funding, pinned_init
from tongka.ledger import SHORT
from tongka.orders import CHARGEABLE, OPEN, Kind
from tongka.store import orders
from tongka.store.orders import AnotherOpenOrder, MovedMeanwhile, Order
from tongka.system import System

UNPAID_METHOD = "06"
"""Of a trade whose payment is not named yet."""
ORDER_TYPE = "40"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a message asks for.

    Attributes:
        asn: the 20 digits of file 15.
        init: the card's answer to its INIT, as the message tells it.
        when: the terminal's date and time, which go into MAC2.
        funding: what pays.
        short: the refusal if it does not cover the amount.

    """

    card_no: str
    asn: str
    init: LoadInit
    when: Moment
    funding: Funding
    short: type[Refused] = Refused


# --- create -----------------------------------------------------------------------------------------------------------


async def open_trade(call: Call, card_no: str, online_atc: int) -> bytes:
    """A new order of this card, or the one that is not on it yet although it was begun at this counter."""
    card = await looks.known_card(call, card_no)
    looks.require_usable(card, call, sold=True)
    standing = await looks.standing_of(call, card_no)
    if standing and _begun_at(standing) == online_atc:
        return await call.seal(call.outcome(order=standing))
    order = _unpaid(call, card_no)
    return await call.create(order, call.outcome(order=order))


def _unpaid(call: Call, card_no: str) -> Order:
    return topup.new_order(call, Kind.TOPUP, card_no, 0, UNPAID_METHOD, paid=False, order_type=ORDER_TYPE)


def _begun_at(order: Order) -> int | None:
    """The counter of its last authorisation, whether it is still pinned to it or not."""
    return pinned_init(order).online_atc if order.init else None


# --- authorise --------------------------------------------------------------------------------------------------------


async def load_trade(call: Call, order_no: str, load: Load) -> bytes:
    """Pay for an opened trade and answer MAC2; for one that is under way, a rewrite."""
    card = await _card(call, load)
    order = await looks.order_at_hand(call, order_no, load.card_no, Kind.TOPUP, Kind.UNLOAD)
    looks.require_alive(order)
    if order.paid:
        looks.require_amount(order, load.funding.amount_fen)
        _require_same_source(call, order, load.funding)
    else:
        await _require_payable(call, card, load)
    standing = await looks.standing_of(call, load.card_no)
    other = standing if standing and standing.state in OPEN and standing.order_no != order.order_no else None
    return await _authorise(call, card, order, load, other)


async def load_card(call: Call, load: Load) -> bytes:
    """Pay, and answer MAC2, in one message: the same card, counter, amount and source is a rewrite."""
    card = await _card(call, load)
    standing = await orders.standing(call.system.database, load.card_no, call.actor)
    order = next((each for each in standing if _is_same(call, each, load)), None)
    other = next((each for each in standing if each.state in OPEN and each is not order), None)
    if order is None:
        order = await _opened(call, card, load, other)
    return await _authorise(call, card, order, load, other)


async def _opened(call: Call, card: KnownCard, load: Load, other: Order | None) -> Order:
    """A new order, made only once the card has vouched for itself."""
    if other and not counter.overtaken(other, load.init):
        raise NeedsCardManagement(f"order {other.order_no} of this card may be under way; end it first")
    order = _unpaid(call, load.card_no)
    await _require_payable(call, card, load)
    topup.require_fits(card, order.changed(**load.funding.columns()), load.init)
    await looks.require_trusted(call, card)
    await topup.verify_mac1(call, card, load.init)
    await orders.create(call.system.database, order, call.actor)
    return order


async def is_rewrite(call: Call, load: Load) -> bool:
    """Whether a message writes again what was drawn before and may be on its way to the card."""
    standing = await orders.standing(call.system.database, load.card_no, call.actor)
    return any(each.state in OPEN and _is_same(call, each, load) for each in standing)


def _is_same(call: Call, order: Order, load: Load) -> bool:
    """Whether a message asks again for an order.

    What was drawn from a stored value of this card's own and is not on the card is used first, whatever the counter.
    """
    wanted, funded = load.funding, (order.funded_from, order.payment_method)
    if order.institution != call.actor or order.payment_order or funded != (wanted.account, wanted.payment_method):
        return False
    again = order.state in CHARGEABLE and wanted.account != 0
    same = (order.kind, order.amount_fen) == (wanted.kind, wanted.amount_fen)
    return same and (again or _begun_at(order) == load.init.online_atc)


def _require_same_source(call: Call, order: Order, funding: Funding) -> None:
    """A trade and its payment belong to each other one to one: another payment would be taken and pay for nothing.

    Whoever rewrites another institution's order is not asked: its payment is not his to know, and his own is not taken.
    """
    paid_by, wanted = (order.payment_order, order.funded_from), (funding.payment_order, funding.account)
    if order.institution == call.actor and paid_by != wanted:
        raise RepeatedWithOtherContents(f"order {order.order_no} was paid for otherwise; a rewrite names what paid it")


async def _card(call: Call, load: Load) -> KnownCard:
    card = await looks.known_card(call, load.card_no)
    looks.require_usable(card, call, sold=True)
    if card.row.asn != load.asn:
        raise WrongCard(f"card {load.card_no} has another application serial number")
    return card


async def _require_payable(call: Call, card: KnownCard, load: Load) -> None:
    if load.init.kind is TransactionType.UNLOAD:
        return
    topup.require_amount_fits(card.profile, load.funding.amount_fen)
    if load.funding.payment_order:
        await topup.is_paid(call, load.funding.payment_order, load.funding.amount_fen)


async def _authorise(call: Call, card: KnownCard, order: Order, load: Load, other: Order | None) -> bytes:
    try:
        return await topup.authorise_init(
            call, card, order, load.init, when=load.when, funding=load.funding, other=other
        )
    except AnotherOpenOrder as error:
        if other or not await _is_being_loaded(call, load.card_no):
            raise
        raise MovedMeanwhile("another request began a load of this card meanwhile; ask again") from error
    except LedgerRefused as error:
        if error.reason != SHORT:
            raise
        raise load.short(f"there are not {load.funding.amount_fen} fen to draw") from error


async def _is_being_loaded(call: Call, card_no: str) -> bool:
    """Whether what stood in the way is a load, which the next look finds, or was one; and not the card's return."""
    found = await orders.open_of_card(call.system.database, card_no)
    return found is None or found.kind in {Kind.TOPUP, Kind.UNLOAD}


# --- who pays ---------------------------------------------------------------------------------------------------------


async def sealed_payer(system: System, order_no: str, account: str) -> bytes:
    """A payer's account as it is kept with the order: only the platform's keys open it, and only for this order."""
    return await system.hsm.seal(account.encode(), _payer_context(order_no))


async def payer_of(system: System, order_no: str) -> str:
    """The account that paid for a trade, or that it is paid out to.

    Raises:
        OrderNotFound: no such order, or none is known of it.

    """
    order = await orders.by_number(system.database, order_no)
    if order is None or order.customer is None or order.kind not in {Kind.TOPUP, Kind.UNLOAD}:
        raise OrderNotFound(f"there is no order {order_no} with a payer's account")
    return (await system.hsm.unseal(order.customer, _payer_context(order_no))).decode()


def _payer_context(order_no: str) -> bytes:
    return f"payer of {order_no}".encode()
