"""The eleven operations: each message is handed to its journey. What is known of Linkage's fields ends here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tongka.errors import Unsupported
from tongka.journeys import group, prepaid, recharge, supply
from tongka.journeys.call import Call
from tongka.journeys.refusals import PrepaidInsufficient
from tongka.journeys.supply import Load
from tongka.journeys.topup import Funding
from tongka.money import parse_fen
from tongka.orders import Kind
from tongka.partners.linkage import messages as m
from tongka.partners.linkage.codes import CASH, PAYMENT_METHODS, STORED_VALUE
from tongka.store import prepaid as prepaid_store
from tongka.store.prepaid import Supply


def _load(message: m.Exchange, card_no: str, asn: str, method: str, **funding: Any) -> Load:
    init = message.init()
    kind = Kind.UNLOAD if message.trade_type == m.UNLOAD else Kind.TOPUP
    paid = Funding(amount_fen=init.amount, payment_method=method, kind=kind, note=message.note(), **funding)
    return Load(card_no=card_no, asn=asn, init=init, when=message.moment(), funding=paid)


def _loaded_only(message: m.RechargeSupply | m.GroupSupply) -> Load:
    """A load from stored value that nothing can be unloaded to."""
    if message.trade_type == m.UNLOAD:
        raise Unsupported("TradeType 03 (unload) goes over mac1authal or card/supply; this pays for loads alone")
    return _load(message, message.card_no, message.asn, STORED_VALUE)


async def _verify(call: Call, message: m.Verify) -> bytes:
    return await supply.open_trade(call, message.card_no, int(message.online_atc, 16))


async def _authorise(call: Call, message: m.Authorise) -> bytes:
    method = PAYMENT_METHODS[message.payment_type]
    payer = await supply.sealed_payer(call.system, message.trade_id, message.payer)
    load = _load(message, message.card_no, message.asn, method, payment_order=message.payment_id, payer=payer)
    return await supply.load_trade(call, message.trade_id, load)


async def _now(call: Call, _: m.Now) -> bytes:
    return await call.seal(call.outcome())


async def _prepay(call: Call, message: m.PrepaySupply) -> bytes:
    wanted = Supply(
        merchant=message.merchant,
        domain=message.domain,
        trade_id=message.trade_id,
        amount_fen=parse_fen(message.amount, "TradeMoney"),
    )
    return await prepaid.supply(call, wanted)


async def _account_transfer(call: Call, message: m.AccountTransfer) -> bytes:
    account = await prepaid_store.find(call.system.database, message.merchant, message.domain)
    load = _load(message, message.card_no, message.asn, STORED_VALUE, account=account.account)
    return await supply.load_trade(call, message.trade_id, replace(load, short=PrepaidInsufficient))


async def _password_check(call: Call, message: m.PasswordCheck) -> bytes:
    return await recharge.check(call, message.domain, message.password)


async def _recharge(call: Call, message: m.RechargeSupply) -> bytes:
    return await recharge.supply(call, message.domain, message.password, _loaded_only(message))


async def _cash(call: Call, message: m.CardSupply) -> bytes:
    return await supply.load_card(call, _load(message, message.card_no, message.asn, CASH))


async def _group(call: Call, message: m.GroupSupply) -> bytes:
    return await group.supply(call, message.domain, _loaded_only(message))


async def _group_password(call: Call, message: m.GroupPasswordChange) -> bytes:
    return await group.change_password(call, message.domain, message.card_no, message.old, message.new)


async def _group_verify(call: Call, message: m.GroupVerify) -> bytes:
    return await group.verify(call, message.domain, message.card_no, message.password)


Run = Callable[[Call, Any], Awaitable[bytes]]

RUN: Mapping[type[m.Request], Run] = {
    m.Verify: _verify,
    m.Authorise: _authorise,
    m.Now: _now,
    m.PrepaySupply: _prepay,
    m.AccountTransfer: _account_transfer,
    m.PasswordCheck: _password_check,
    m.RechargeSupply: _recharge,
    m.CardSupply: _cash,
    m.GroupSupply: _group,
    m.GroupPasswordChange: _group_password,
    m.GroupVerify: _group_verify,
}
