"""The same questions to every implementation of `Hsm`, and the same answers: the vectors, refusals, properties."""

import asyncio
import os
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keyrings import HSM, LABELS, PBOC, PURSE
from tongka.card import purse
from tongka.card.apdu import Command
from tongka.card.commands import InitData
from tongka.card.purse import LoadInit, Moment, PurchaseInit
from tongka.card.secure_channel import StaticKeys, scp03
from tongka.crypto import sm2
from tongka.crypto.pboc import SUITES, Algorithm, check_value, diversify_chain
from tongka.errors import BadSignature, KeyNotFound, MacWrong, Unsupported
from tongka.keys import ElementKeys, Purpose, RideKey, RideKeyKind, RsaHash, element_context
from tongka.keys.inventory import fingerprints

TERMINAL = bytes.fromhex(HSM["terminal"])
WHEN = Moment(bytes.fromhex(HSM["date"]), bytes.fromhex(HSM["time"]))
OTHER = bytes(4)


def each(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def load_of(case, algorithm, mac1=None):
    return LoadInit(
        amount=case["amount"],
        terminal=TERMINAL,
        balance=case["balance"],
        online_atc=case["atc"],
        key_version=1,
        algorithm=algorithm.value,
        random=bytes.fromhex(case["random"]),
        mac1=bytes.fromhex(mac1 or case["mac1"]),
    )


def purchase_of(case, algorithm):
    return PurchaseInit(
        amount=case["amount"],
        terminal=TERMINAL,
        balance=case["balance"],
        offline_atc=case["atc"],
        overdraft=0,
        key_version=1,
        algorithm=algorithm.value,
        random=bytes.fromhex(case["random"]),
    )


async def refuses(opened, algorithm, question):
    """Asks; where the token lacks the algorithm it has to say so, naming card type and token."""
    if algorithm in opened.algorithms:
        return await question
    with pytest.raises(Unsupported, match=r"-sm4 needs sm4, which the token tongka test \d+ does not do"):
        await question
    return None


@pytest.fixture(params=HSM["cases"], ids=lambda case: case["name"])
def diversified(request, opened):
    """A vector of a diversified card, and the card's name towards the HSM."""
    case = request.param
    algorithm = LABELS[case["algorithm"]]
    return case, algorithm, opened.card("hsm", algorithm, map(bytes.fromhex, case["factors"]))


# --- vectors ----------------------------------------------------------------------------------------------------------


async def test_a_load_is_authorised_with_the_mac2_of_the_vectors(opened, diversified):
    case, algorithm, card = diversified
    mac2 = await refuses(opened, algorithm, opened.hsm.authorise_load(card, load_of(case["load"], algorithm), WHEN))
    assert mac2 is None or mac2.hex().upper() == case["load"]["mac2"]


async def test_a_card_vouches_for_its_balance(opened, diversified):
    case, algorithm, card = diversified
    await refuses(opened, algorithm, opened.hsm.verify_load(card, load_of(case["load"], algorithm)))


async def test_the_tac_of_a_load_verifies(opened, diversified):
    case, algorithm, card = diversified
    tac = bytes.fromhex(case["load"]["tac"])
    init = load_of(case["load"], algorithm)
    await refuses(opened, algorithm, opened.hsm.verify_load_tac(card, init, WHEN, tac))


async def test_a_debit_is_authorised_and_its_tac_verifies(opened, diversified):
    case, algorithm, card = diversified
    init, serial = purchase_of(case["purchase"], algorithm), bytes.fromhex(case["purchase"]["serial"])
    mac1 = await refuses(opened, algorithm, opened.hsm.authorise_purchase(card, init, serial, WHEN))
    assert mac1 is None or mac1.hex().upper() == case["purchase"]["mac1"]
    tac = bytes.fromhex(case["purchase"]["tac"])
    await refuses(opened, algorithm, opened.hsm.verify_purchase_tac(card, init, serial, WHEN, tac))


async def test_secured_commands_get_the_mac_of_the_vectors(opened, diversified):
    case, algorithm, card = diversified
    for one in case["secure_mac"]:
        asked = opened.hsm.secure_mac(card, bytes.fromhex(one["challenge"]), bytes.fromhex(one["message"]))
        mac = await refuses(opened, algorithm, asked)
        assert mac is None or mac.hex().upper() == one["mac"]


async def test_the_published_log_of_a_load_verifies(opened):
    case = PURSE["published_load"]
    data = InitData.parse(Command.from_hex(case["command"]))
    init = LoadInit.parse(data.amount, data.terminal, bytes.fromhex(case["answer"]))
    await opened.hsm.verify_load(opened.card("published", Algorithm.TDES), init)


@each(PURSE["loads"])
async def test_loads_of_cards_that_are_not_diversified(opened, case):
    algorithm = LABELS[case["algorithm"]]
    card, init = opened.card("purse", algorithm), load_of(case, algorithm)
    mac2 = await refuses(opened, algorithm, opened.hsm.authorise_load(card, init, WHEN))
    assert mac2 is None or mac2.hex().upper() == case["mac2"]
    if algorithm in opened.algorithms:
        await of_own_key(opened, algorithm, opened.hsm.verify_load_tac(card, init, WHEN, bytes.fromhex(case["tac"])))


@each(PURSE["purchases"])
async def test_debits_of_cards_that_are_not_diversified(opened, case):
    algorithm = LABELS[case["algorithm"]]
    card, init, serial = opened.card("purse", algorithm), purchase_of(case, algorithm), bytes.fromhex(case["serial"])
    mac1 = await refuses(opened, algorithm, opened.hsm.authorise_purchase(card, init, serial, WHEN))
    assert mac1 is None or mac1.hex().upper() == case["mac1"]


@each(PBOC["secure_mac"])
async def test_the_sale_of_a_card_that_is_not_diversified(opened, case):
    algorithm = LABELS[case["algorithm"]]
    asked = opened.hsm.secure_mac(
        opened.card("sale", algorithm), bytes.fromhex(case["challenge"]), bytes.fromhex(case["data"])
    )
    if algorithm in opened.algorithms:
        mac = await of_own_key(opened, algorithm, asked)
    else:
        mac = await refuses(opened, algorithm, asked)
    assert mac is None or mac.hex().upper() == case["out"]


async def of_own_key(opened, algorithm, question):
    """A token splits or folds only keys that it derives itself in 3DES, and says so."""
    if opened.undiversified or algorithm is not Algorithm.TDES:
        return await question
    with pytest.raises(Unsupported, match="diversified"):
        await question
    return None


@pytest.mark.parametrize(
    ("version", "case"), list(enumerate(PBOC["diversify"], 1)), ids=lambda p: p["name"] if isinstance(p, dict) else ""
)
async def test_cards_are_diversified_as_in_the_vectors(opened, version, case):
    """A MAC1 made with the printed card key is one that the HSM accepts for the printed master key and factor."""
    algorithm = LABELS[case["algorithm"]]
    card = opened.card("diversified", algorithm, [bytes.fromhex(case["factor"])], version)
    init = load_of(HSM["cases"][0]["load"], algorithm)
    init = replace(init, mac1=purse.load_mac1(SUITES[algorithm], bytes.fromhex(case["out"]), init))
    await refuses(opened, algorithm, opened.hsm.verify_load(card, init))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def card(opened):
    case = next(case for case in HSM["cases"] if case["name"] == "3des, two levels")
    return case, opened.card("hsm", Algorithm.TDES, map(bytes.fromhex, case["factors"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 1001},
        {"balance": 4999},
        {"online_atc": 1},
        {"terminal": bytes(6)},
        {"random": OTHER},
        {"mac1": OTHER},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_there_is_no_mac2_without_a_good_mac1(opened, card, changed):
    case, keys = card
    init = replace(load_of(case["load"], Algorithm.TDES), **changed)
    with pytest.raises(MacWrong, match="MAC1"):
        await opened.hsm.authorise_load(keys, init, WHEN)
    with pytest.raises(MacWrong, match="MAC1"):
        await opened.hsm.verify_load(keys, init)


async def test_a_wrong_tac_is_refused(opened, card):
    case, keys = card
    init, debit = load_of(case["load"], Algorithm.TDES), purchase_of(case["purchase"], Algorithm.TDES)
    with pytest.raises(MacWrong, match="TAC"):
        await opened.hsm.verify_load_tac(keys, init, WHEN, OTHER)
    with pytest.raises(MacWrong, match="TAC"):
        await opened.hsm.verify_purchase_tac(keys, debit, b"\0\0\0\1", WHEN, OTHER)


async def test_another_cards_mac1_is_refused(opened, card):
    case, keys = card
    other = replace(keys, factors=(keys.factors[0], bytes.fromhex("4880600000123457")))
    with pytest.raises(MacWrong):
        await opened.hsm.verify_load(other, load_of(case["load"], Algorithm.TDES))


@pytest.mark.parametrize("changed", [{"version": 9}, {"profile": "no such type"}])
async def test_a_key_that_is_not_there_is_named(opened, card, changed):
    case, keys = card
    with pytest.raises(KeyNotFound, match=r"no 3des load key of .*, version \d"):
        await opened.hsm.verify_load(replace(keys, **changed), load_of(case["load"], Algorithm.TDES))


async def test_each_version_is_a_key_of_its_own(opened, card):
    case, keys = card
    with pytest.raises(MacWrong):
        await opened.hsm.verify_load(replace(keys, version=2), load_of(case["load"], Algorithm.TDES))


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 2, 3])
async def test_any_card_gets_what_the_arithmetic_says(opened, levels):
    """Random cards, amounts, counters and messages of every length of the last block."""
    suite = SUITES[Algorithm.TDES]
    for length in range(1, 26):
        keys = opened.card("hsm", Algorithm.TDES, (os.urandom(8) for _ in range(levels)))
        own = {purpose: opened.ring.card_key(keys, purpose) for purpose in Purpose}
        message, challenge, when = os.urandom(length), os.urandom(4), Moment(os.urandom(4), os.urandom(3))
        init = LoadInit.parse(
            int.from_bytes(os.urandom(3), "big"), os.urandom(6), os.urandom(3).rjust(4, b"\0") + os.urandom(12)
        )
        init = replace(init, mac1=purse.load_mac1(suite, own[Purpose.LOAD], init))
        mac2 = await opened.hsm.authorise_load(keys, init, when)
        assert mac2 == purse.load_mac2(suite, own[Purpose.LOAD], init, when)
        await opened.hsm.verify_load_tac(keys, init, when, purse.load_tac(suite, own[Purpose.TAC], init, when))
        mac = await opened.hsm.secure_mac(keys, challenge, message)
        assert mac == suite.secure_mac(own[Purpose.MAINTAIN], challenge, message)


async def test_many_questions_at_once_do_not_mix(opened):
    suite = SUITES[Algorithm.TDES]
    cards = [opened.card("hsm", Algorithm.TDES, [os.urandom(8), os.urandom(8)]) for _ in range(100)]
    message = b"the same for all"
    macs = await asyncio.gather(*(opened.hsm.secure_mac(card, bytes(4), message) for card in cards))
    master = opened.ring.masters["hsm-3des", Purpose.MAINTAIN, 1].value
    own = [diversify_chain(suite, master, card.factors) for card in cards]
    assert macs == [suite.secure_mac(key, bytes(4), message) for key in own]


# --- secure elements --------------------------------------------------------------------------------------------------

HOST_CHALLENGE = bytes(range(8))


@pytest.fixture
async def element(opened):
    """A security domain with keys that the HSM sealed, and what it answers to INITIALIZE UPDATE over SCP03."""
    static = StaticKeys(os.urandom(16), os.urandom(16), os.urandom(16))
    sealed = await opened.hsm.seal(static.enc + static.mac + static.dek, element_context("se 1"))
    challenge = os.urandom(8)
    session = scp03.session_keys(static, HOST_CHALLENGE, challenge)
    cryptogram = scp03.card_cryptogram(session, HOST_CHALLENGE, challenge)
    answer = bytes(10) + b"\x30\x03\x70" + challenge + cryptogram + bytes(3)
    return ElementKeys("se 1", "03", 0x30, sealed), static, answer


async def test_a_channel_is_opened_without_its_key_encryption_key(opened, element):
    keys, static, answer = element
    channel, _ = await opened.hsm.open_channel(keys, HOST_CHALLENGE, answer)
    assert static.dek != channel.keys.dek == bytes(16)
    with pytest.raises(MacWrong):
        await opened.hsm.open_channel(keys, HOST_CHALLENGE[::-1], answer)


@pytest.mark.parametrize("levels", [1, 2])
async def test_a_card_is_personalised_with_its_own_keys(opened, element, levels):
    """The keys are the same ciphers; a token may set the parity bits of DES, which no cipher looks at."""
    keys, static, answer = element
    card = opened.card("hsm", Algorithm.TDES, [os.urandom(8) for _ in range(levels)])
    wrapped = await opened.hsm.wrap_card_keys(keys, HOST_CHALLENGE, answer, card)
    for purpose in Purpose:
        own = opened.ring.card_key(card, purpose)
        head, encrypted, check = wrapped[purpose][:2], wrapped[purpose][2:18], wrapped[purpose][18:]
        sent = Cipher(AES(static.dek), CBC(bytes(16))).decryptor().update(encrypted)
        assert without_parity(sent) == without_parity(own)
        assert (head, check) == (b"\x01\x00", check_value(Algorithm.TDES, own))


def without_parity(key):
    return bytes(byte & 0xFE for byte in key)


# --- what is not a card's ---------------------------------------------------------------------------------------------


async def test_an_endpoint_signs(opened):
    signature = await opened.hsm.sign("huzhou", b"text")
    sm2.verify(sm2.PublicKey(await opened.hsm.public_key("huzhou")), b"text", signature)
    with pytest.raises(KeyNotFound, match="nobody"):
        await opened.hsm.sign("nobody", b"text")


async def test_a_gateway_signs(opened):
    key = load_der_public_key(await opened.hsm.rsa_public_key("alipay"))
    signature = await opened.hsm.sign_rsa("alipay", RsaHash.SHA256, b"text")
    key.verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"other", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(KeyNotFound, match="nobody"):
        await opened.hsm.sign_rsa("nobody", RsaHash.SHA256, b"text")


async def test_ride_codes_are_signed(opened):
    issuer = RideKey(RideKeyKind.ISSUER)
    signature = await opened.hsm.sign_ride(issuer, b"text")
    sm2.verify(sm2.PublicKey(await opened.hsm.ride_public_key(issuer)), b"text", signature)


async def test_sealed_data_opens_with_its_context_only(opened):
    sealed = await opened.hsm.seal("张三".encode(), b"customer of 1")
    assert "张三".encode() not in sealed
    assert await opened.hsm.unseal(sealed, b"customer of 1") == "张三".encode()
    with pytest.raises(BadSignature):
        await opened.hsm.unseal(sealed, b"customer of 2")
    with pytest.raises(BadSignature):
        await opened.hsm.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"customer of 1")
    with pytest.raises(KeyNotFound):
        await opened.hsm.unseal(b"\xff\xff" + sealed[2:], b"customer of 1")


async def test_the_same_data_is_sealed_differently_each_time(opened):
    assert await opened.hsm.seal(b"x", b"") != await opened.hsm.seal(b"x", b"")


# --- what is in it ----------------------------------------------------------------------------------------------------


async def test_every_key_is_told_by_a_fingerprint_that_is_the_same_in_each_implementation(opened):
    told = await opened.hsm.fingerprints()
    masters = [row for row in opened.ring.rows() if row.algorithm in {one.label for one in opened.algorithms}]
    assert told == fingerprints(masters, opened.ring)
    assert {"card", "endpoint", "data"} <= {label.split("/")[0] for label in told}


async def test_no_fingerprint_holds_a_key(opened):
    told = "".join((await opened.hsm.fingerprints()).values()).upper()
    ring = opened.ring
    secrets = [key.value for key in ring.masters.values()] + list(ring.data.values()) + [ring.ride_seed]
    assert not any(secret.hex().upper() in told for secret in secrets if secret)
