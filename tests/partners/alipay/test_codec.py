"""Properties of the envelope, for any parameters, texts and bytes."""

import base64
import json
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from tongka.errors import Refused
from tongka.partners.alipay import codec, messages

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = st.text(LETTERS, min_size=1, max_size=8).filter(lambda name: name != "charset")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARAMETERS = st.dictionaries(NAMES, st.text(LETTERS, max_size=20), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.text('{}"\\u', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(PARAMETERS, st.data())
def test_any_split_between_query_and_body_reads_the_same(wanted, data):
    in_query = {name for name in wanted if data.draw(st.booleans())}
    query = urlencode({name: wanted[name] for name in wanted if name in in_query}).encode()
    body = urlencode({name: wanted[name] for name in wanted if name not in in_query}).encode()
    assert codec.parameters(query, body) == wanted


@settings(max_examples=30, deadline=None)
@given(wanted=PARAMETERS)
def test_whatever_was_signed_verifies_and_nothing_else(rsa_keys, wanted):
    key, other = rsa_keys
    given_parameters = wanted | {"sign_type": "RSA2"}
    given_parameters.pop("sign", None)
    text = "&".join(f"{name}={given_parameters[name]}" for name in sorted(given_parameters))
    sign = base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    codec.verify(given_parameters | {"sign": sign}, key.public_key())
    for changed, public in ((given_parameters | {"more": "x"}, key), (given_parameters, other)):
        try:
            codec.verify(changed | {"sign": sign}, public.public_key())
        except Refused:
            continue
        raise AssertionError


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_a_node_says_what_it_was_made_of_and_its_braces_balance_without_looking_into_texts(contents):
    text = codec.node_text(contents)
    assert json.loads(text) == contents
    assert b'\\"' not in text
    depth = [0]
    for byte in text:
        depth.append(depth[-1] + {0x7B: 1, 0x7D: -1}.get(byte, 0))
    assert depth[-1] == 0
    assert min(depth[2:-1], default=1) >= 1 or not contents


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(query, body):
    try:
        found = codec.parameters(query, body)
        codec.node_of(found.get("method", ""))
    except Refused:
        return


@given(JSON)
def test_any_contents_are_read_or_refused(contents):
    text = json.dumps(contents)
    for take in (
        lambda: messages.trade(contents, "seller"),
        lambda: messages.card_change(messages.biz_content(text)),
        lambda: messages.ride_reports(messages.read(messages.DataSend, messages.biz_content(text))),
    ):
        try:
            take()
        except Refused:
            continue
