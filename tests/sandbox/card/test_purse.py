"""The purse of the software card: what moves money, what refuses, and in which order."""

from dataclasses import replace

import pytest

from tongka.card import commands
from tongka.card.apdu import ApduError, Command, StatusWord
from tongka.card.files import LogRecord
from tongka.card.profiles import PROFILES
from tongka.card.purse import ATC_MAX, LoadInit, TransactionType, load_mac2
from tongka.sandbox.card.image import BALANCE_MAX

TERMINAL = bytes.fromhex("000000000042")
SW = StatusWord


def log_of(bench, fid="0018"):
    return [LogRecord.parse(record) for record in bench.image.records_of(fid)]


# --- load -------------------------------------------------------------------------------------------------------------


def test_a_load_credits_the_amount_counts_once_and_is_logged(bench):
    bench.terminal.load(1_000, bench.when)
    assert bench.terminal.balance() == 6_000
    assert (bench.image.online_atc, bench.image.offline_atc) == (1, 0)
    [record] = log_of(bench)
    assert (record.sequence, record.amount, record.kind) == (1, 1_000, TransactionType.EP_LOAD)
    assert (record.terminal, record.date, record.time) == (TERMINAL, "20240131", "083000")
    assert log_of(bench, "0007") == [record]


def test_an_init_changes_nothing_that_lasts(bench):
    before = bench.image
    bench.terminal.init_load(1_000)
    bench.terminal.init_purchase(1_000)
    assert bench.image == before


def test_a_load_of_nothing_proves_the_counter(bench):
    init = bench.terminal.init_load(0)
    assert (init.balance, init.online_atc) == (5_000, 0)


@pytest.mark.parametrize("with_le", [True, False], ids=["with Le", "without Le"])
def test_both_forms_of_le_are_taken(mint, with_le):
    bench = mint()
    form = (lambda command: command) if with_le else Command.without_le
    answer = bench.terminal.ask(form(commands.init_for_load(1, TERMINAL)), "INIT")
    init = LoadInit.parse(1, TERMINAL, answer)
    assert len(bench.terminal.ask(form(bench.terminal.credit(init, bench.when)), "CREDIT")) == 4


def test_a_wrong_mac2_changes_nothing_and_ends_the_transaction(bench):
    init, before = bench.terminal.init_load(1_000), bench.image
    wrong = commands.credit_for_load(bench.when, bytes(4))
    assert bench.sw(wrong) == SW.MAC_WRONG
    assert bench.image == before
    assert bench.sw(bench.terminal.credit(init, bench.when)) == SW.CONDITIONS_NOT_SATISFIED


def test_mac2_is_bound_to_the_amount_the_time_and_the_counter(bench):
    """A MAC2 for one load is worth nothing for any other."""
    init = bench.terminal.init_load(1_000)
    mac2 = load_mac2(bench.image.suite, bench.image.keys.load, init, bench.when)
    bench.terminal.ask(commands.credit_for_load(bench.when, mac2), "CREDIT")
    bench.terminal.init_load(1_000)
    assert bench.sw(commands.credit_for_load(bench.when, mac2)) == SW.MAC_WRONG
    assert bench.terminal.balance() == 6_000


@pytest.mark.parametrize(
    "between",
    [
        commands.get_balance(),
        commands.select_purse(),
        commands.read_binary(0x15),
        commands.init_for_purchase(1, TERMINAL),
        Command(0x00, 0xFF, 0, 0),
        bytes(3),
    ],
    ids=["balance", "select", "read", "another init", "unknown", "no APDU"],
)
def test_credit_must_follow_its_init_directly(mint, between):
    bench = mint()
    init = bench.terminal.init_load(1_000)
    bench.card.transmit(bytes(between))
    assert bench.sw(bench.terminal.credit(init, bench.when)) == SW.CONDITIONS_NOT_SATISFIED
    assert bench.image.balance_fen == 0


def test_a_credit_cannot_be_replayed(bench):
    init = bench.terminal.init_load(1_000)
    credit = bench.terminal.credit(init, bench.when)
    assert [bench.sw(credit), bench.sw(credit)] == [SW.OK, SW.CONDITIONS_NOT_SATISFIED]


def test_a_wrong_le_only_names_the_right_one(bench):
    init = bench.terminal.init_load(1_000)
    credit = bench.terminal.credit(init, bench.when)
    assert bench.sw(bytes(credit)[:-1] + b"\x05") == SW.WRONG_LE | 4
    assert bench.sw(credit) == SW.OK


def test_the_purse_holds_no_more_than_its_bytes_can_say(mint):
    bench = mint(balance_fen=BALANCE_MAX - 1)
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.OK
    assert bench.sw(commands.init_for_load(2, TERMINAL)) == SW.AMOUNT_WRONG


def test_the_online_counter_ends(mint):
    bench = mint(online_atc=ATC_MAX - 1)
    bench.terminal.load(1, bench.when)
    assert bench.image.online_atc == ATC_MAX
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.COUNTER_AT_MAXIMUM
    assert bench.sw(commands.init_for_unload(1, TERMINAL)) == SW.COUNTER_AT_MAXIMUM


# --- purchase ---------------------------------------------------------------------------------------------------------


def test_a_purchase_debits_the_amount_counts_once_and_is_logged(bench):
    bench.terminal.purchase(200, bench.serial, bench.when)
    assert bench.terminal.balance() == 4_800
    assert (bench.image.online_atc, bench.image.offline_atc) == (0, 1)
    [record] = log_of(bench)
    assert (record.sequence, record.amount, record.kind) == (1, 200, TransactionType.EP_PURCHASE)
    assert log_of(bench, "0008") == [record]


def test_the_whole_balance_can_be_spent_but_not_a_fen_more(bench):
    assert bench.sw(commands.init_for_purchase(5_001, TERMINAL)) == SW.INSUFFICIENT_BALANCE
    bench.terminal.purchase(5_000, bench.serial, bench.when)
    assert bench.terminal.balance() == 0


def test_a_wrong_mac1_takes_nothing(bench):
    bench.terminal.init_purchase(200)
    assert bench.sw(commands.debit_for_purchase(bench.serial, bench.when, bytes(4))) == SW.MAC_WRONG
    assert bench.image.balance_fen == 5_000


def test_credit_does_not_complete_a_purchase_nor_debit_a_load(bench):
    bench.terminal.init_purchase(1)
    assert bench.sw(commands.credit_for_load(bench.when, bytes(4))) == SW.CONDITIONS_NOT_SATISFIED
    bench.terminal.init_load(1)
    assert bench.sw(commands.debit_for_purchase(bench.serial, bench.when, bytes(4))) == SW.CONDITIONS_NOT_SATISFIED
    bench.terminal.init_load(1)
    assert bench.sw(commands.debit_for_unload(bench.when, bytes(4))) == SW.CONDITIONS_NOT_SATISFIED


def test_the_offline_counter_ends(mint):
    bench = mint(balance_fen=10, offline_atc=ATC_MAX - 1)
    bench.terminal.purchase(1, bench.serial, bench.when)
    assert bench.sw(commands.init_for_purchase(1, TERMINAL)) == SW.COUNTER_AT_MAXIMUM
    assert bench.sw(commands.init_for_capp(1, TERMINAL)) == SW.COUNTER_AT_MAXIMUM
    bench.terminal.load(1, bench.when)  # the other counter goes on


# --- unload -----------------------------------------------------------------------------------------------------------


def test_an_unload_takes_the_amount_and_counts_online(bench):
    bench.terminal.unload(2_000, bench.when)
    assert bench.terminal.balance() == 3_000
    assert bench.image.online_atc == 1
    assert log_of(bench)[0].kind == TransactionType.UNLOAD


def test_more_than_the_balance_cannot_be_unloaded(bench):
    assert bench.sw(commands.init_for_unload(5_001, TERMINAL)) == SW.INSUFFICIENT_BALANCE


# --- CAPP -------------------------------------------------------------------------------------------------------------


def test_a_capp_purchase_writes_its_records_together_with_the_balance(bench):
    ride, state = b"\x03" + bytes(47), b"\x02in the metro"
    init = bench.terminal.init_purchase(300, TransactionType.CAPP)
    assert bench.sw(commands.update_capp_cache(0x1E, ride)) == SW.OK
    assert bench.sw(commands.update_capp_cache(0x19, state, 2)) == SW.OK
    assert bench.image.records_of("001E") == ()
    bench.terminal.complete_purchase(init, bench.serial, bench.when)
    assert bench.image.records_of("001E") == (ride,)
    assert bench.image.records_of("0019")[1].startswith(state)
    assert log_of(bench)[0].kind == TransactionType.CAPP
    assert bench.terminal.balance() == 4_700


@pytest.mark.parametrize(
    ("update", "sw"),
    [
        (commands.update_capp_cache(0x1E, bytes(47)), SW.WRONG_LENGTH),
        (commands.update_capp_cache(0x19, b"\x09x", 9), SW.RECORD_NOT_FOUND),
        (commands.update_capp_cache(0x19, b"\x01x", 2), SW.WRONG_DATA),
        (commands.update_capp_cache(0x19, b"\x02" + bytes(32), 2), SW.NO_SPACE),
        (commands.update_capp_cache(0x18, bytes(23)), SW.FILE_NOT_FOUND),
        (Command(0x80, 0xDC, 0, 0xF1, b"x"), SW.WRONG_PARAMETERS),
    ],
)
def test_a_capp_update_that_does_not_fit_is_refused_and_ends_the_transaction(mint, update, sw):
    bench = mint(balance_fen=100)
    init = bench.terminal.init_purchase(1, TransactionType.CAPP)
    assert bench.sw(update) == sw
    assert bench.sw(bench.terminal.debit(init, bench.serial, bench.when)) == SW.CONDITIONS_NOT_SATISFIED


def test_capp_updates_are_taken_only_in_a_capp_purchase_and_only_eight(bench):
    update = commands.update_capp_cache(0x1E, bytes(48))
    assert bench.sw(update) == SW.CONDITIONS_NOT_SATISFIED
    bench.terminal.init_purchase(1)
    assert bench.sw(update) == SW.CONDITIONS_NOT_SATISFIED
    bench.terminal.init_purchase(1, TransactionType.CAPP)
    assert [bench.sw(update) for _ in range(9)] == [SW.OK] * 8 + [SW.NO_SPACE]


# --- proof ------------------------------------------------------------------------------------------------------------


def test_the_latest_load_and_the_latest_purchase_can_be_proved(bench):
    tac = bench.terminal.load(1_000, bench.when)
    spent = bench.terminal.purchase(100, bench.serial, bench.when)
    prove = commands.get_transaction_prove
    assert bench.terminal.ask(prove(TransactionType.EP_LOAD, 1), "PROVE")[4:] == tac
    assert bench.terminal.ask(prove(TransactionType.EP_PURCHASE, 1), "PROVE")[4:] == spent


@pytest.mark.parametrize("atc", [0, 1, 3])
def test_nothing_but_the_latest_can_be_proved(mint, atc):
    bench = mint()
    bench.terminal.load(1, bench.when)
    bench.terminal.load(1, bench.when)
    assert bench.sw(commands.get_transaction_prove(TransactionType.EP_LOAD, atc)) == SW.PROOF_NOT_AVAILABLE
    assert bench.sw(commands.get_transaction_prove(TransactionType.CAPP, 2)) == SW.PROOF_NOT_AVAILABLE
    assert bench.sw(commands.get_transaction_prove(TransactionType.EP_LOAD, 2)) == SW.OK


@pytest.mark.parametrize(
    ("permission", "commands_refused"),
    [
        ("unload_allowed", [commands.init_for_unload(1, TERMINAL)]),
        ("purchase_allowed", [commands.init_for_purchase(1, TERMINAL), commands.init_for_capp(1, TERMINAL)]),
    ],
)
def test_a_type_s_permissions_are_the_cards(mint, monkeypatch, permission, commands_refused):
    bench = mint(balance_fen=100)
    forbidding = replace(bench.image.type, **{permission: False})
    monkeypatch.setitem(PROFILES, forbidding.name, forbidding)
    assert [bench.sw(command) for command in commands_refused] == [SW.NOT_SUPPORTED] * len(commands_refused)


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("805000010B0100000001000000000042", SW.WRONG_PARAMETERS),
        ("805000020B0200000001000000000042", SW.KEY_INDEX_NOT_SUPPORTED),
        ("805000020A01000000010000000000", SW.WRONG_LENGTH),
        ("805C010204", SW.WRONG_PARAMETERS),
        ("805C000104", SW.WRONG_PARAMETERS),
        ("805C000203", SW.WRONG_LE | 4),
        ("80500702", SW.WRONG_PARAMETERS),
        ("80FF0000", SW.INS_NOT_SUPPORTED),
        ("FF840000", SW.CLA_NOT_SUPPORTED),
        ("8050", SW.WRONG_LENGTH),
    ],
)
def test_wrong_parameters_get_their_status_word(mint, apdu, sw):
    assert mint().sw(bytes.fromhex(apdu)) == sw


def test_the_purse_answers_only_after_select(bench):
    bench.card.power_on()
    with pytest.raises(ApduError, match="6985"):
        bench.terminal.balance()
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.CONDITIONS_NOT_SATISFIED
