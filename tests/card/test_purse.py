"""Whole transactions against the vectors of `purse.json`."""

import json
from pathlib import Path

import pytest

from tongka.card import purse
from tongka.card.apdu import Command
from tongka.card.commands import InitData
from tongka.card.purse import LoadInit, Moment, PurchaseInit, TransactionType
from tongka.crypto.pboc import SUITES, Algorithm, des_cbc_last
from tongka.errors import CardError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "purse.json").read_bytes())
LABELS = {algorithm.label: algorithm for algorithm in Algorithm}
KEYS = {name: bytes.fromhex(key) for name, key in VECTORS["keys"].items()}
TERMINAL = bytes.fromhex(VECTORS["terminal"])
WHEN = Moment(bytes.fromhex(VECTORS["date"]), bytes.fromhex(VECTORS["time"]))


def load_of(case):
    algorithm = LABELS[case["algorithm"]]
    init = LoadInit(
        amount=case["amount"],
        terminal=TERMINAL,
        balance=case["balance"],
        online_atc=case["atc"],
        key_version=1,
        algorithm=algorithm.value,
        random=bytes.fromhex(case["random"]),
        mac1=bytes.fromhex(case["mac1"]),
    )
    return SUITES[algorithm], init


def purchase_of(case):
    algorithm = LABELS[case["algorithm"]]
    init = PurchaseInit(
        amount=case["amount"],
        terminal=TERMINAL,
        balance=case["balance"],
        offline_atc=case["atc"],
        overdraft=0,
        key_version=1,
        algorithm=algorithm.value,
        random=bytes.fromhex(case["random"]),
    )
    return SUITES[algorithm], init, bytes.fromhex(case["serial"])


def test_the_published_log_of_a_load_is_reproduced():
    case = VECTORS["published_load"]
    data = InitData.parse(Command.from_hex(case["command"]))
    init = LoadInit.parse(data.amount, data.terminal, bytes.fromhex(case["answer"]))
    suite, key = SUITES[Algorithm.of_byte(init.algorithm)], bytes.fromhex(case["load_key"])
    session = suite.session_key(key, init.seed)
    assert init.seed.hex().upper() == case["seed"]
    assert session.hex().upper() == case["session_key"]
    assert des_cbc_last(session, init.mac1_data, bytes(8)).hex().upper() == case["mac1_whole"]
    assert purse.load_mac1(suite, key, init) == init.mac1


@pytest.mark.parametrize("case", VECTORS["loads"], ids=lambda case: case["name"])
def test_a_load(case):
    suite, init = load_of(case)
    assert suite.session_key(KEYS["load"], init.seed).hex().upper() == case["session_key"]
    assert purse.load_mac1(suite, KEYS["load"], init).hex().upper() == case["mac1"]
    assert purse.load_mac2(suite, KEYS["load"], init, WHEN).hex().upper() == case["mac2"]
    assert purse.load_tac(suite, KEYS["tac"], init, WHEN).hex().upper() == case["tac"]


@pytest.mark.parametrize("case", VECTORS["purchases"], ids=lambda case: case["name"])
def test_a_purchase(case):
    suite, init, serial = purchase_of(case)
    assert suite.session_key(KEYS["purchase"], init.seed(serial)).hex().upper() == case["session_key"]
    assert purse.purchase_mac1(suite, KEYS["purchase"], init, serial, WHEN).hex().upper() == case["mac1"]
    assert purse.purchase_mac2(suite, KEYS["purchase"], init, serial).hex().upper() == case["mac2"]
    assert purse.purchase_tac(suite, KEYS["tac"], init, serial, WHEN).hex().upper() == case["tac"]


def test_answers_are_read_back_as_they_were_sent():
    _, load = load_of(VECTORS["loads"][0])
    assert LoadInit.parse(load.amount, load.terminal, load.answer) == load
    _, purchase, _ = purchase_of(VECTORS["purchases"][0])
    assert PurchaseInit.parse(purchase.amount, purchase.terminal, purchase.answer) == purchase


@pytest.mark.parametrize("length", [0, 14, 17])
def test_answers_of_another_length_are_refused(length):
    with pytest.raises(CardError, match="16 bytes"):
        LoadInit.parse(1, TERMINAL, bytes(length))
    with pytest.raises(CardError, match="15 bytes"):
        PurchaseInit.parse(1, TERMINAL, bytes(length))


def test_an_unload_lowers_the_balance_that_its_mac3_covers():
    answer = purse.amount4(5000) + bytes(12)
    init = LoadInit.parse(2000, TERMINAL, answer, TransactionType.UNLOAD)
    assert init.balance_after == 3000
    assert init.tac_data(WHEN).startswith(purse.amount4(3000))
