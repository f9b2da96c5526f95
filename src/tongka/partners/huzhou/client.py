"""What an integrator does with a card at hand: read it, top it up, recover, sell it, take it back.

`CardFront` knows the order of messages and of card commands (chapter 3); the card is whatever has one method
``transmit``. Card commands run in a thread, since a reader blocks.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal, TypeVar

from msgspec import Struct

from tongka.card.apdu import CardChannel, Command, Response, send
from tongka.card.appendix_c import command
from tongka.card.commands import init_for_purchase
from tongka.errors import CardGone, Failed, Malformed, Unknown
from tongka.partners.huzhou import messages
from tongka.partners.huzhou.calls import Calls, CardFrontRefused, Identity, Line, Outcome
from tongka.partners.huzhou.codes import CASH
from tongka.partners.huzhou.fields import Customer, commands_of, hex_list

__all__ = ["CardFront", "CardFrontRefused", "Identity", "Line", "Order", "Outcome", "TopUpInterrupted"]

CHARGE_TYPE: Literal["01"] = "01"
ALREADY_CHARGED = "000079"
READ_CARD = ("IDX_0002", "IDX_0004", "IDX_0003")
BEFORE_SALE = ("IDX_0002", "IDX_0004", "IDX_1001")
BEFORE_RETURN = ("IDX_0002", "IDX_0004")
TERMINAL_DIGITS = 12


class Order(Struct, frozen=True, kw_only=True):
    """A top-up order as the client knows it: everything needed to go on with it later."""

    order_no: str
    card_no: str
    amount_fen: int
    payment_method: str
    payment_order: str | None = None


class TopUpInterrupted(Unknown):
    """The top-up broke off after its order was made; whether the card was credited is for `CardFront.recover`."""

    code = "top_up_interrupted"

    def __init__(self, order: Order, why: Exception) -> None:
        super().__init__(f"the top-up {order.order_no} broke off ({why}); put the card back and recover it")
        self.order = order


class CardFront(Calls):
    """A card front, and a card before it. See `Calls` for how to make one, and for what every verb may raise."""

    async def read_card(self, card: CardChannel) -> messages.CardInfo:
        """Read the card and ask the card front about it (4.1)."""
        commands = tuple(map(command, READ_CARD))
        answers = await run(card, commands)
        return await self.card_info_query(messages.CardInfoQuery(**_script(commands, answers)))

    async def top_up(
        self, card: CardChannel, amount_fen: int, payment_order: str | None = None, *, payment_method: str = "10"
    ) -> Order:
        """Top a card up with what was paid under `payment_order` (3.1). It may be called again with the same payment.

        Raises:
            TopUpInterrupted: it broke off after the order was made; `recover` finds out.

        """
        info = await self.read_card(card)
        return await self.top_up_known(card, info.card_no, amount_fen, payment_order, payment_method=payment_method)

    async def top_up_known(
        self,
        card: CardChannel,
        card_no: str,
        amount_fen: int,
        payment_order: str | None = None,
        *,
        payment_method: str = "10",
    ) -> Order:
        """As `top_up`, for a card whose number is known: three messages instead of four."""
        charge = messages.ChargeOrderCreate(
            card_no=card_no,
            charge_type=CHARGE_TYPE,
            payment_method=payment_method,
            payment_order=payment_order,
            amount_text=str(amount_fen),
        )
        created = await self.charge_order_create(charge)
        order = Order(
            order_no=created.order_no,
            card_no=card_no,
            amount_fen=amount_fen,
            payment_method=payment_method,
            payment_order=payment_order,
        )
        await self._load(card, order, commands_of(created.commands))
        return order

    async def _load(self, card: CardChannel, order: Order, init: tuple[Command, ...]) -> None:
        """INIT FOR LOAD, MAC2 from the card front, CREDIT FOR LOAD, and its TAC back (4.5, 4.6)."""
        released = False
        try:
            first = _charge(messages.CardChargeRequest, order, **_script(init, await run(card, init)))
            authorised = commands_of((await self.card_charge_request(first)).commands)
            released = True
            second = _charge(messages.CardChargeConfirm, order, **_script(authorised, await run(card, authorised)))
            await self.card_charge_confirm(second)
        except (CardGone, Failed, Unknown, Malformed) as why:
            raise TopUpInterrupted(order, why) from why
        except CardFrontRefused as why:
            if released:
                raise TopUpInterrupted(order, why) from why
            raise

    async def recover(self, card: CardChannel, order: Order) -> Outcome:
        """Find out by the card itself whether a broken top-up was credited (3.5, 4.7, 4.8).

        The whole script is run whatever the status words: 9406 and 6A83 are answers like others.
        """
        try:
            given = await self.charge_order_manage_request(_charge(messages.ChargeOrderManageRequest, order))
        except CardFrontRefused as refusal:
            if refusal.result in (ALREADY_CHARGED, Outcome.CREDITED):
                return Outcome.CREDITED
            if refusal.result == Outcome.NOT_CREDITED:
                return Outcome.NOT_CREDITED
            raise
        script = commands_of(given.commands)
        ran = _script(script, await run(card, script))
        return await self.charge_order_manage_confirm(_charge(messages.ChargeOrderManageConfirm, order, **ran))

    async def cancel(self, order: Order) -> None:
        """Cancel an order that was not charged; if it was paid, its refund starts (4.4)."""
        await self.charge_order_cancel(messages.ChargeOrderCancel(card_no=order.card_no, order_no=order.order_no))

    async def sell(
        self,
        card: CardChannel,
        *,
        payment_method: str = CASH,
        payment_order: str | None = None,
        customer: Customer | None = None,
    ) -> messages.CardSold:
        """Sell a card: write its dates and enable it (4.10, 4.11); with a customer it is sold under his name."""
        card_no = (await self.read_card(card)).card_no
        answers = await run(card, tuple(map(command, BEFORE_SALE)))
        request = messages.CardSaleRequest(
            card_no=card_no,
            count=str(len(answers)),
            entries=_answers_text(answers),
            real_name="Y" if customer else "N",
            payment_method=payment_method,
            payment_order=payment_order,
            customer=customer,
        )
        given = await self.card_sale_request(request)
        written = await run(card, commands_of(given.commands))
        return await self.card_sale_confirm(
            messages.CardSaleConfirm(
                card_no=card_no,
                card_result="00" if all(answer.ok for answer in written) else "01",
                count=str(len(written)),
                entries=_answers_text(written),
                real_name=request.real_name,
                payment_method=payment_method,
                payment_order=payment_order,
                customer=customer,
                order_no=given.order_no,
                reference=given.reference,
            )
        )

    async def return_card(self, card: CardChannel, customer: Customer | None = None) -> int:
        """Take a good card back: its whole balance is purchased away (4.12, 4.13). The fen to pay out."""
        info = await self.read_card(card)
        commands = (*map(command, BEFORE_RETURN), self._purchase_all(int(info.balance)))
        answers = await run(card, commands)
        given = await self.card_return_apply(
            messages.CardReturnApply(
                card_no=info.card_no,
                return_type="0",
                balance=info.balance,
                count=str(len(answers)),
                entries=_answers_text(answers),
                customer=customer,
            )
        )
        await self._confirm_return(info.card_no, given, await run(card, commands_of(given.commands)), customer)
        return int(given.amount)

    def _purchase_all(self, balance_fen: int) -> Command:
        terminal = bytes.fromhex(self.identity.terminal.rjust(TERMINAL_DIGITS, "0"))
        return init_for_purchase(balance_fen, terminal).without_le()

    async def apply_bad_return(self, card_no: str, customer: Customer | None = None) -> messages.ReturnCommands:
        """Ask for the return of a card that cannot be read; it is paid by `confirm_bad_return` after the wait."""
        return await self.card_return_apply(
            messages.CardReturnApply(
                card_no=card_no, return_type="1", balance="", count="0", entries="", customer=customer
            )
        )

    async def confirm_bad_return(
        self, card_no: str, applied: messages.ReturnCommands, customer: Customer | None = None
    ) -> messages.CardReturned:
        """Pay an unreadable card's balance out, once the waiting period is over (000112 before)."""
        return await self._confirm_return(card_no, applied, (), customer)

    async def _confirm_return(
        self, card_no: str, applied: messages.ReturnCommands, answers: Sequence[Response], customer: Customer | None
    ) -> messages.CardReturned:
        return await self.card_return_confirm(
            messages.CardReturnConfirm(
                card_no=card_no,
                reference=applied.reference,
                order_no=applied.order_no,
                count=str(len(answers)),
                entries=_answers_text(answers),
                customer=customer,
            )
        )


async def run(card: CardChannel, commands: tuple[Command, ...]) -> tuple[Response, ...]:
    """Send all commands, whatever the status words.

    Raises:
        CardGone: the card left on the way.

    """
    return await asyncio.to_thread(lambda: tuple(send(card, each) for each in commands))


_C = TypeVar("_C", bound=messages.OrderCharge)


def _charge(kind: type[_C], order: Order, **script: str) -> _C:
    """A message about an order; `script` as `_script` makes it."""
    return kind(
        card_no=order.card_no,
        order_no=order.order_no,
        charge_type=CHARGE_TYPE,
        payment_method=order.payment_method,
        payment_order=order.payment_order,
        amount_text=str(order.amount_fen),
        **script,
    )


def _script(commands: tuple[Command, ...], answers: Sequence[Response]) -> dict[str, str]:
    """`apdunum`, `apdulist` and `apduresp`."""
    return {"count": str(len(commands)), "commands": hex_list(commands), "answers": _answers_text(answers)}


def _answers_text(answers: Sequence[Response]) -> str:
    return ",".join(answer.hex for answer in answers)
