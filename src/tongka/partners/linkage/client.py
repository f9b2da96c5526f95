"""What an integrator does with a card at hand: top it up in five ways, unload it, go on after a break.

`OneCard` knows the order of messages and of card commands; the card is whatever has one method ``transmit``. Card
commands run in a thread, since a reader blocks. There is no confirm: the card's next INIT tells the platform.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import httpx
from msgspec import Struct

from tongka.card import commands
from tongka.card.apdu import ApduError, CardChannel, Command, send
from tongka.card.files import File15, File17
from tongka.card.profiles import find_profile
from tongka.card.purse import LoadInit, Moment
from tongka.errors import CardError, CardGone, Failed, Unknown
from tongka.partners.linkage import messages as m
from tongka.partners.linkage.calls import Calls, Identity, Line, OneCardRefused

__all__ = ["Identity", "Line", "LoadInterrupted", "Loaded", "OneCard", "OneCardRefused", "Payment"]

LOAD, UNLOAD = "01", "03"
UNDECIDED = frozenset({"9001", "9999"})
"""Codes of a platform that could not finish; what pays may have been drawn already."""
SFI15, SFI17 = 0x15, 0x17
SECTION = {
    "domain": "OrigionDomain",
    "channel": "ChannelNo",
    "terminal": "TermNo",
    "network": "DeptNo",
    "operator": "OperNo",
    "merchant": "Balunitno",
    "device": "DeviceNo",
}
"""Of an identity, by the names of sandbox.json."""
THE_PHONE_IS_THE_TERMINAL = "02"


class Payment(Struct, frozen=True, kw_only=True):
    """What was paid by phone: `kind` 01 ALIPAY, 02 TENPAY, 03 CNUNIONPAY."""

    payment_id: str
    payer: str
    kind: str = "01"
    phone_model: str = "unknown"
    address: str = "unknown"


class _Ask(Struct, frozen=True, kw_only=True):
    """A load on its way: which operation, how much, and its own fields."""

    kind: type[m.Exchange]
    amount_fen: int
    values: Mapping[str, str] = {}
    trade_type: str = LOAD


class Loaded(Struct, frozen=True, kw_only=True):
    """A load that the card has answered."""

    card_no: str
    amount_fen: int
    trade_id: str = ""


class LoadInterrupted(Unknown):
    """The load broke off after MAC1 was sent; `OneCard.resume` goes on with it, card at hand."""

    code = "load_interrupted"

    def __init__(self, ask: _Ask, card_no: str, online_atc: int, why: Exception) -> None:
        super().__init__(f"the load of card {card_no} broke off ({why}); put the card back and resume it")
        self.ask, self.card_no, self.online_atc = ask, card_no, online_atc


class OneCard(Calls):
    """A OneCard platform, and a card before it. See `Calls` for how to make one, and for what every verb may raise.

    Every verb may also raise `CardError` (a status word, before anything was paid), and `LoadInterrupted`.
    """

    @classmethod
    def of_section(
        cls, section: Mapping[str, Any], *, line: Line | None = None, http: httpx.AsyncClient | None = None
    ) -> Self:
        """The client that the section `linkage` of a sandbox.json describes."""
        identity = Identity(**{ours: section[theirs] for ours, theirs in SECTION.items()})
        return cls(section["base_url"], identity, section["api_key"], line=line, http=http)

    async def top_up(self, card: CardChannel, amount_fen: int, payment: Payment) -> Loaded:
        """With what was paid by phone."""
        return await self._load(card, _paid(amount_fen, payment, LOAD))

    async def unload(self, card: CardChannel, amount_fen: int, payment: Payment) -> Loaded:
        """Take money off the card; it is paid out to where `payment` says."""
        return await self._load(card, _paid(amount_fen, payment, UNLOAD))

    async def from_prepaid(self, card: CardChannel, amount_fen: int) -> Loaded:
        """From the merchant's prepaid account."""
        return await self._load(card, _Ask(kind=m.AccountTransfer, amount_fen=amount_fen))

    async def cash(self, card: CardChannel, amount_fen: int) -> Loaded:
        """With cash or a bank transfer, at a counter."""
        return await self._load(card, _Ask(kind=m.CardSupply, amount_fen=amount_fen))

    async def redeem(self, card: CardChannel, password: str) -> Loaded:
        """With a recharge card, whole."""
        amount_fen = await self.check_recharge_card(password)
        return await self._load(card, _Ask(kind=m.RechargeSupply, amount_fen=amount_fen, values={"password": password}))

    async def from_group(self, card: CardChannel, amount_fen: int, password: str) -> Loaded:
        """From what a company has allotted to this card."""
        card_no = (await _identity(card))["card_no"]
        await self.verify_group_card(card_no, password)
        return await self._load(card, _Ask(kind=m.GroupSupply, amount_fen=amount_fen))

    async def resume(self, card: CardChannel, broken: LoadInterrupted) -> Loaded:
        """Go on with a broken load: nothing more to do if the card's counter has passed it, else a rewrite."""
        identity, init = await self._init(card, 0, LOAD)
        if identity["card_no"] != broken.card_no:
            raise CardError(f"this is card {identity['card_no']}, not {broken.card_no}")
        if init.online_atc > broken.online_atc:
            return Loaded(card_no=broken.card_no, amount_fen=broken.ask.amount_fen)
        return await self._load(card, broken.ask)

    async def _load(self, card: CardChannel, ask: _Ask) -> Loaded:
        identity, init = await self._init(card, ask.amount_fen, ask.trade_type)
        fields = identity | _fields(init, ask.trade_type)
        trade_id = ""
        if "trade_id" in ask.kind.__struct_fields__:
            trade_id = (await self.verify(fields["card_no"], fields["balance"], fields["online_atc"])).trade_id
            fields["trade_id"] = trade_id
        now = await self.now()
        fields |= {"date": now.date, "time": now.time, **ask.values}
        try:
            answer = await self.exchange(ask.kind, **fields)
            when = Moment(bytes.fromhex(now.date), bytes.fromhex(now.time))
            await _run(card, _completion(ask.trade_type, when, bytes.fromhex(answer.mac2)))
        except (CardGone, Failed, Unknown, ApduError, OneCardRefused) as why:
            if isinstance(why, OneCardRefused) and why.result not in UNDECIDED:
                raise
            raise LoadInterrupted(ask, fields["card_no"], init.online_atc, why) from why
        return Loaded(card_no=fields["card_no"], amount_fen=ask.amount_fen, trade_id=trade_id)

    async def _init(self, card: CardChannel, amount_fen: int, trade_type: str) -> tuple[dict[str, str], LoadInit]:
        identity = await _identity(card)
        terminal = bytes.fromhex(self.identity.terminal)
        init = commands.init_for_unload if trade_type == UNLOAD else commands.init_for_load
        return identity, LoadInit.parse(amount_fen, terminal, await _run(card, init(amount_fen, terminal)))


def _paid(amount_fen: int, payment: Payment, trade_type: str) -> _Ask:
    values = {
        "payment_type": payment.kind,
        "payer": payment.payer,
        "payment_id": payment.payment_id,
        "mode": THE_PHONE_IS_THE_TERMINAL,
        "phone_model": payment.phone_model,
        "address": payment.address,
    }
    return _Ask(kind=m.Authorise, amount_fen=amount_fen, values=values, trade_type=trade_type)


def _fields(init: LoadInit, trade_type: str) -> dict[str, str]:
    return {
        "balance": str(init.balance),
        "online_atc": f"{init.online_atc:04X}",
        "key_version": f"{init.key_version:02X}",
        "algorithm": f"{init.algorithm:02X}",
        "random": init.random.hex().upper(),
        "mac1": init.mac1.hex().upper(),
        "amount": str(init.amount),
        "trade_type": trade_type,
    }


def _completion(trade_type: str, when: Moment, mac2: bytes) -> Command:
    return commands.debit_for_unload(when, mac2) if trade_type == UNLOAD else commands.credit_for_load(when, mac2)


async def _identity(card: CardChannel) -> dict[str, str]:
    """The card's number, serial number and type, of its files."""
    await _run(card, commands.select_purse())
    file15 = File15.parse(await _run(card, commands.read_binary(SFI15, length=File15.LENGTH)))
    file17 = File17.parse(await _run(card, commands.read_binary(SFI17, length=File17.LENGTH)))
    return {
        "card_no": find_profile(file15).card_no(file15),
        "asn": file15.asn,
        "card_type": f"{file17.card_type:02X}",
    }


async def _run(card: CardChannel, command: Command) -> bytes:
    """One command's answer.

    Raises:
        CardGone: the card left.
        ApduError: another status word than 9000.

    """
    answer = await asyncio.to_thread(send, card, command)
    if not answer.ok:
        raise ApduError(answer.sw)
    return answer.data
