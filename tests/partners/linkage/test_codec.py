"""The token: as the document says, over what nobody can read in two ways."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.errors import BadSignature, Malformed
from tongka.partners.linkage import codec

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "linkage_token.json").read_text("utf-8"))["tokens"]
KEY = "00112233445566778899AABBCCDDEEFF"

PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="&="), min_size=1, max_size=20
)
NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=8).filter(lambda name: name != "TOKEN")
MESSAGES = st.dictionaries(NAMES, PLAIN, max_size=6)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_tokens_are_those_of_the_vectors(vector):
    assert codec.canonical(vector["fields"]) == vector["canonical"]
    assert codec.token(vector["fields"], vector["key"]) == vector["token"]


@given(MESSAGES)
def test_a_sealed_message_verifies_and_reads_back(fields):
    read = codec.parse(codec.sealed(fields, KEY))
    codec.verify(read, KEY)
    codec.verify(read | {"Token": read["Token"].lower()}, KEY)
    assert {name: value for name, value in read.items() if name != "Token"} == fields


@given(MESSAGES, MESSAGES)
def test_no_two_messages_have_the_same_text(one, other):
    assert (codec.canonical(one) == codec.canonical(other)) == (one == other)


@given(MESSAGES.filter(bool), st.data())
def test_any_change_is_seen(fields, data):
    sealed = codec.parse(codec.sealed(fields, KEY))
    name = data.draw(st.sampled_from(sorted(fields)))
    with pytest.raises(BadSignature):
        codec.verify(sealed | {name: fields[name] + "x"}, KEY)
    with pytest.raises(BadSignature):
        codec.verify({one: value for one, value in sealed.items() if one != name}, KEY)
    with pytest.raises(BadSignature):
        codec.verify(sealed, KEY[:-1] + "0")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"A":"1","A":"1"}', "'a'"),
        (b'{"A":"1","a":"1"}', "'a'"),
        (b'{"A":"1&B=2"}', "'A'"),
        (b'{"A":"1=2"}', "'A'"),
        (b'{"A&B":"1"}', "'A&B'"),
        (b'{"A":"\\u0000"}', "'A'"),
        (b'{"A":"\\u2028"}', "'A'"),
        (b'{"A":"\\n"}', "'A'"),
        (b'{"A":1}', "'A'"),
        (b'{"A":true}', "'A'"),
        (b'{"A":["1"]}', "message"),
        (b'{"A":{"B":"1"}}', "message"),
        (b'["A"]', "message"),
        (b'{"A":"1"', "message"),
        (b'{"A":"\xff"}', "message"),
        (b'{"A":"\\ud800"}', "message"),
        (b"", "message"),
    ],
)
def test_what_a_token_cannot_cover_is_refused(body, field):
    with pytest.raises(Malformed) as refused:
        codec.parse(body)
    assert refused.value.field == field


def test_null_and_empty_are_no_value():
    assert codec.parse(b'{"A":null,"B":"","C":"1"}') == {"C": "1"}


def test_a_missing_token_does_not_verify():
    with pytest.raises(BadSignature):
        codec.verify({"A": "1"}, KEY)


def test_the_digest_depends_on_the_operation_and_every_value_but_the_token():
    one = codec.digest("/a", {"A": "1", "Token": "x"})
    assert one == codec.digest("/a", {"A": "1", "Token": "y"})
    assert len({one, codec.digest("/b", {"A": "1"}), codec.digest("/a", {"A": "2"})}) == 3
