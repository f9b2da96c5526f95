"""The block arithmetic against the vectors, and against a second library put together differently."""

import json
from pathlib import Path

import pytest
from Crypto.Cipher import DES
from hypothesis import given
from hypothesis import strategies as st

from tongka.crypto import pboc
from tongka.crypto.pboc import SUITES, Algorithm

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "pboc.json").read_bytes())
LABELS = {algorithm.label: algorithm for algorithm in Algorithm}
KEYS = st.binary(min_size=16, max_size=16)
BLOCKS = st.binary(min_size=8, max_size=8)


def raw(case, *names):
    return [bytes.fromhex(case[name]) for name in names]


def cases(group):
    return pytest.mark.parametrize("case", VECTORS[group], ids=lambda case: case["name"])


# --- a second implementation: pycryptodome's single DES, composed by hand ---------------------------------------------


def des(key, block):
    return DES.new(key, DES.MODE_ECB).encrypt(block)  # noqa: S304 - the e-purse's cipher


def undes(key, block):
    return DES.new(key, DES.MODE_ECB).decrypt(block)  # noqa: S304 - the e-purse's cipher


def ede(key, data):
    left, right = key[:8], key[8:]
    blocks = [data[i : i + 8] for i in range(0, len(data), 8)]
    return b"".join(des(left, undes(right, des(left, block))) for block in blocks)


def cbc_last(key, data, iv=bytes(8)):
    data += b"\x80"
    data += bytes(-len(data) % 8)
    return DES.new(key, DES.MODE_CBC, iv).encrypt(data)[-8:]  # noqa: S304 - the e-purse's cipher


# --- vectors ----------------------------------------------------------------------------------------------------------


@cases("tdes")
def test_two_key_3des(case):
    key, data, out = raw(case, "key", "data", "out")
    assert pboc.tdes_ecb(key, data) == ede(key, data) == out


@cases("des_cbc_last")
def test_the_mac_chain_is_single_des_cbc(case):
    key, iv, data, out = raw(case, "key", "iv", "data", "out")
    assert pboc.des_cbc_last(key, data, iv) == cbc_last(key, data, iv) == out


@cases("diversify")
def test_diversification(case):
    master, factor, out = raw(case, "master", "factor", "out")
    assert SUITES[LABELS[case["algorithm"]]].diversify(master, factor) == out


@cases("secure_mac")
def test_secure_messaging(case):
    key, challenge, data, out = raw(case, "key", "challenge", "data", "out")
    assert SUITES[LABELS[case["algorithm"]]].secure_mac(key, challenge, data) == out


@pytest.mark.parametrize("group", ["tdes", "des_cbc_last", "diversify", "secure_mac"])
def test_every_vector_says_where_it_comes_from(group):
    assert all(case["source"] and case["certainty"] in {"published", "computed"} for case in VECTORS[group])


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 17])
@pytest.mark.parametrize("block", [8, 16])
def test_padding_is_always_added(length, block):
    padded = pboc.pad(bytes(length), block)
    assert len(padded) % block == 0
    assert padded.rstrip(b"\0") == bytes(length) + b"\x80"
    assert 1 <= len(padded) - length <= block


@given(KEYS, BLOCKS)
def test_3des_diversification_agrees_with_the_second_library(master, factor):
    inverted = bytes(b ^ 0xFF for b in factor)
    assert SUITES[Algorithm.TDES].diversify(master, factor) == ede(master, factor + inverted)


@given(KEYS, st.binary(max_size=64))
def test_the_3des_tac_agrees_with_the_second_library(key, data):
    folded = bytes(a ^ b for a, b in zip(key[:8], key[8:], strict=True))
    assert SUITES[Algorithm.TDES].tac(key, data) == cbc_last(folded, data)[:4]


@given(KEYS, st.binary(min_size=4, max_size=8), st.binary(max_size=64))
def test_the_3des_secure_mac_agrees_with_the_second_library(key, challenge, data):
    last = cbc_last(key[:8], data, challenge.ljust(8, b"\0"))
    assert SUITES[Algorithm.TDES].secure_mac(key, challenge, data) == des(key[:8], undes(key[8:], last))[:4]


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.mac.__name__)
def test_two_levels_are_two_diversifications(suite):
    master, issuer, serial = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))
    own = suite.diversify(suite.diversify(master, issuer), serial)
    assert pboc.diversify_chain(suite, master, (issuer, serial)) == own
    assert pboc.diversify_chain(suite, master, ()) == master


def test_a_tac_key_with_equal_halves_folds_to_the_zero_key():
    """The trap that key import has to refuse: any two such keys make the same TAC."""
    tac = SUITES[Algorithm.TDES].tac
    assert tac(b"A" * 16, b"data") == tac(b"B" * 16, b"data") == cbc_last(bytes(8), b"data")[:4]
