"""Key lists: the answer of key.query and what init_pos_verify takes."""

import json
from typing import Any

import pytest

from tongka.code.keys import MasterKeys, parse_key_list
from tongka.errors import Malformed
from tongka.sandbox.mint import CA_INDEX, UPPER_HALF, Mint

DOCUMENT_SAMPLE = [
    {"key_id": 0, "public_key": "02170D3C441AF17AE1010A4095B974BF1FE1EA48FCD65BE060A5AD577ABB885088"},
    {"key_id": 1, "public_key": "03410D92CDAB5BC9349731136619A93FC3225DE6B235E839F6BEB41A77B79A0424"},
]
"""Printed in Alipay 4.1.2.6, its line breaks taken out."""


def test_the_two_keys_of_the_document_are_on_secp256k1() -> None:
    keys = parse_key_list(json.dumps(DOCUMENT_SAMPLE))
    assert all(key.on_secp256k1 is not None for key in keys.masters.values())
    assert keys.to_list() == DOCUMENT_SAMPLE


def test_a_list_comes_back_as_it_went(mint: Mint) -> None:
    keys = mint.keys()
    again = parse_key_list(keys.to_json())
    assert again.to_list() == keys.to_list()
    assert len(again.masters) == 32
    assert list(again.authorities) == [CA_INDEX]
    assert all(again.masters[key_id].on_sm2 is not None for key_id in UPPER_HALF)


def test_every_case_of_the_vectors_is_taken_or_refused_alike(vectors: dict[str, Any]) -> None:
    for case in vectors["init"]:
        if case["name"].startswith("card types"):
            continue
        if case["result"] == 1:
            assert isinstance(parse_key_list(case["key_list"]), MasterKeys), case["name"]
        else:
            with pytest.raises(Malformed):
                parse_key_list(case["key_list"])
