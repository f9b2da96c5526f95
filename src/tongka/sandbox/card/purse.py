"""The purse of the software card: balance, load, purchase, CAPP, unload, proof.

An INIT changes nothing that lasts. The command that completes it makes its money write, balance, counter and proof at
once, and only then the log's writes; so a log may miss the last transaction, and the balance never does.
"""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from tongka.card.apdu import StatusWord
from tongka.card.commands import ED, EP, KEY_INDEX, CommandKind, InitData
from tongka.card.purse import (
    ATC_MAX,
    LoadInit,
    Moment,
    PurchaseInit,
    TransactionType,
    amount4,
    load_mac1,
    load_mac2,
    load_tac,
    purchase_mac1,
    purchase_mac2,
    purchase_tac,
    unload_mac3,
)
from tongka.sandbox.card import capp
from tongka.sandbox.card.image import BALANCE_MAX, CardImage, Proof
from tongka.sandbox.card.state import CappUpdate, Context, Handler, Outcome, Pending, Refusal, answer

RANDOM_LEN = 4
NO_OVERDRAFT = bytes(3)
BALANCE_KINDS = (0x00, 0x03)
"""P1 of GET BALANCE [M]: the purse, the usable balance; without overdraft they are the same."""


def get_balance(ctx: Context) -> Outcome:
    _require_purse(ctx)
    if ctx.command.p1 not in BALANCE_KINDS or ctx.command.p2 != EP:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    return answer(amount4(ctx.image.balance_fen))


# --- INIT -------------------------------------------------------------------------------------------------------------


def init_for_load(ctx: Context) -> Outcome:
    data = _opened(ctx, EP)
    _require_pin(ctx)
    if ctx.image.balance_fen + data.amount > BALANCE_MAX:
        raise Refusal(StatusWord.AMOUNT_WRONG)
    return _init_online(ctx, data, TransactionType.EP_LOAD, CommandKind.CREDIT_FOR_LOAD)


def init_for_unload(ctx: Context) -> Outcome:
    """The standard has it for the deposit (P2 01); cards that have only a purse take 02 as well [M]."""
    if not ctx.image.type.unload_allowed:
        raise Refusal(StatusWord.NOT_SUPPORTED)
    data = _opened(ctx, ED, EP)
    _require_pin(ctx)
    _require_balance(ctx, data.amount)
    return _init_online(ctx, data, TransactionType.UNLOAD, CommandKind.DEBIT_FOR_UNLOAD)


def init_for_purchase(ctx: Context) -> Outcome:
    return _init_offline(ctx, TransactionType.EP_PURCHASE)


def init_for_capp(ctx: Context) -> Outcome:
    return _init_offline(ctx, TransactionType.CAPP)


def _init_online(ctx: Context, data: InitData, kind: TransactionType, completed_by: CommandKind) -> Outcome:
    image = ctx.image
    if image.online_atc >= ATC_MAX:
        raise Refusal(StatusWord.COUNTER_AT_MAXIMUM)
    init = LoadInit(
        amount=data.amount,
        terminal=data.terminal,
        balance=image.balance_fen,
        online_atc=image.online_atc,
        key_version=image.key_version,
        algorithm=image.algorithm.value,
        random=ctx.random(RANDOM_LEN),
        mac1=b"",
        kind=kind,
    )
    init = replace(init, mac1=load_mac1(image.suite, image.keys.load, init))
    ctx.session.pending = Pending(init, completed_by)
    return answer(init.answer)


def _init_offline(ctx: Context, kind: TransactionType) -> Outcome:
    if not ctx.image.type.purchase_allowed:
        raise Refusal(StatusWord.NOT_SUPPORTED)
    data, image = _opened(ctx, EP), ctx.image
    _require_balance(ctx, data.amount)
    if image.offline_atc >= ATC_MAX:
        raise Refusal(StatusWord.COUNTER_AT_MAXIMUM)
    init = PurchaseInit(
        amount=data.amount,
        terminal=data.terminal,
        balance=image.balance_fen,
        offline_atc=image.offline_atc,
        overdraft=0,
        key_version=image.key_version,
        algorithm=image.algorithm.value,
        random=ctx.random(RANDOM_LEN),
        kind=kind,
    )
    ctx.session.pending = Pending(init, CommandKind.DEBIT_FOR_PURCHASE)
    return answer(init.answer)


def _opened(ctx: Context, *purses: int) -> InitData:
    _require_purse(ctx)
    if ctx.command.p2 not in purses:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    data = InitData.parse(ctx.command)
    if data.key_index != KEY_INDEX:
        raise Refusal(StatusWord.KEY_INDEX_NOT_SUPPORTED)
    return data


def _require_purse(ctx: Context) -> None:
    if ctx.session.aid is None:
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)


def _require_pin(ctx: Context) -> None:
    if ctx.image.pin and not ctx.session.pin_verified:
        raise Refusal(StatusWord.SECURITY_NOT_SATISFIED)


def _require_balance(ctx: Context, amount: int) -> None:
    if amount > ctx.image.balance_fen:
        raise Refusal(StatusWord.INSUFFICIENT_BALANCE)


# --- completing it ----------------------------------------------------------------------------------------------------


def credit_for_load(ctx: Context) -> Outcome:
    init, when, mac2 = _online(ctx, CommandKind.CREDIT_FOR_LOAD)
    tac = load_tac(ctx.image.suite, ctx.image.keys.tac, init, when)
    proof = Proof(init.online_atc + 1, mac2, tac)
    record = _log_record(init, proof.atc, when)
    return answer(
        tac,
        partial(_moved, amount=init.amount, online=1, proof=(init.kind, proof)),
        partial(_logged, fid="0018", record=record),
        partial(_logged, fid="0007", record=record),
    )


def debit_for_unload(ctx: Context) -> Outcome:
    init, when, _ = _online(ctx, CommandKind.DEBIT_FOR_UNLOAD)
    record = _log_record(init, init.online_atc + 1, when)
    return answer(
        unload_mac3(ctx.image.suite, ctx.image.keys.load, init, when),
        partial(_moved, amount=-init.amount, online=1),
        partial(_logged, fid="0018", record=record),
    )


def _online(ctx: Context, kind: CommandKind) -> tuple[LoadInit, Moment, bytes]:
    init, data = _directly_after(ctx, kind).init, ctx.command.data
    if not isinstance(init, LoadInit):
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)
    when, mac2 = Moment(data[0:4], data[4:7]), data[7:11]
    _require_mac(mac2, load_mac2(ctx.image.suite, ctx.image.keys.load, init, when))
    return init, when, mac2


def debit_for_purchase(ctx: Context) -> Outcome:
    pending, data, image = _directly_after(ctx, CommandKind.DEBIT_FOR_PURCHASE), ctx.command.data, ctx.image
    init = pending.init
    if not isinstance(init, PurchaseInit):
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)
    serial, when, mac1 = data[0:4], Moment(data[4:8], data[8:11]), data[11:15]
    _require_mac(mac1, purchase_mac1(image.suite, image.keys.purchase, init, serial, when))
    tac = purchase_tac(image.suite, image.keys.tac, init, serial, when)
    mac2 = purchase_mac2(image.suite, image.keys.purchase, init, serial)
    proof = Proof(init.offline_atc + 1, mac2, tac)
    record = _log_record(init, proof.atc, when)
    return answer(
        tac + mac2,
        partial(_moved, amount=-init.amount, offline=1, proof=(init.kind, proof), cached=pending.capp),
        partial(_logged, fid="0018", record=record),
        partial(_logged, fid="0008", record=record),
    )


def _directly_after(ctx: Context, kind: CommandKind) -> Pending:
    if ctx.pending is None or ctx.pending.completed_by is not kind:
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)
    return ctx.pending


def _require_mac(got: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(got, expected):
        raise Refusal(StatusWord.MAC_WRONG)


# --- the internal writes ----------------------------------------------------------------------------------------------


def _moved(
    image: CardImage,
    *,
    amount: int,
    online: int = 0,
    offline: int = 0,
    proof: tuple[TransactionType, Proof] | None = None,
    cached: tuple[CappUpdate, ...] = (),
) -> CardImage:
    """Balance, counter, proof and the records of a CAPP, all or nothing."""
    for update in cached:
        image = capp.written(image, update)
    return replace(
        image,
        balance_fen=image.balance_fen + amount,
        online_atc=image.online_atc + online,
        offline_atc=image.offline_atc + offline,
        proofs={**image.proofs, **dict([proof] if proof else [])},
    )


def _logged(image: CardImage, *, fid: str, record: bytes) -> CardImage:
    return image.with_records(fid, (record, *image.records_of(fid)))


def _log_record(init: LoadInit | PurchaseInit, atc_after: int, when: Moment) -> bytes:
    """The bytes of a `LogRecord`, with the date and time as the terminal sent them, BCD or not."""
    head = atc_after.to_bytes(2, "big") + NO_OVERDRAFT + amount4(init.amount)
    return head + bytes((init.kind,)) + init.terminal + when.bytes


# --- proof ------------------------------------------------------------------------------------------------------------


def get_transaction_prove(ctx: Context) -> Outcome:
    _require_purse(ctx)
    proof = ctx.image.proofs.get(ctx.command.p2)
    if proof is None or ctx.command.data != proof.atc.to_bytes(2, "big"):
        raise Refusal(StatusWord.PROOF_NOT_AVAILABLE)
    return answer(proof.mac + proof.tac)


_K = CommandKind
HANDLERS: Mapping[CommandKind, Handler] = MappingProxyType(
    {
        _K.GET_BALANCE: get_balance,
        _K.INIT_FOR_LOAD: init_for_load,
        _K.CREDIT_FOR_LOAD: credit_for_load,
        _K.INIT_FOR_PURCHASE: init_for_purchase,
        _K.INIT_FOR_CAPP: init_for_capp,
        _K.UPDATE_CAPP_CACHE: capp.update_capp_cache,
        _K.DEBIT_FOR_PURCHASE: debit_for_purchase,
        _K.INIT_FOR_UNLOAD: init_for_unload,
        _K.DEBIT_FOR_UNLOAD: debit_for_unload,
        _K.GET_TRANSACTION_PROVE: get_transaction_prove,
    }
)
