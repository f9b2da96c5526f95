"""The envelope: what is signed, what is verified, and every bad message that must be refused."""

import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tongka.crypto import sm2
from tongka.errors import BadSignature, Malformed, UnknownParty
from tongka.partners.huzhou import codec, messages
from tongka.partners.huzhou.codec import PartnerKey, SignMode
from tongka.partners.huzhou.fields import MAX_BODY_BYTES
from tongka.partners.huzhou.messages import OPERATIONS
from tongka.wire import read

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "huzhou_messages.json").read_text("utf-8"))
ENVELOPE = VECTORS["envelope"]
KEY = sm2.generate()
OTHER = sm2.generate()
EMPTY = PartnerKey(KEY.public_key)
OMIT = PartnerKey(KEY.public_key, SignMode.OMIT)
CREATE = next(vector for vector in VECTORS["operations"] if vector["name"] == "chargeOrderCreate")


def signed(text: bytes, key: sm2.PrivateKey = KEY) -> bytes:
    return sm2.sign(key, text)


def sealed(text: str | None = None) -> bytes:
    """A good message: `text` (its sign empty and last) signed and filled in."""
    return codec.seal((CREATE["request_text"] if text is None else text).encode(), signed)


def filled(text: str, digits: str | None = None) -> bytes:
    """Any text whose ``"sign":""`` may stand anywhere, signed by hand as an independent client would."""
    digits = signed(text.encode()).hex() if digits is None else digits
    return text.replace('"sign":""', f'"sign":"{digits}"', 1).encode()


def accepts(body: bytes, key: PartnerKey = EMPTY) -> codec.ParsedRequest:
    return codec.open_request(body, {ENVELOPE["joininstid"]: key}.get)


# --- the vectors, both directions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", SignMode)
@pytest.mark.parametrize("vector", VECTORS["operations"], ids=lambda vector: vector["name"])
def test_a_request_is_written_byte_for_byte_and_read_back(vector, mode):
    envelope = read(messages.Request, ENVELOPE)
    data = read(OPERATIONS[vector["name"]].request, vector["request"])
    text = codec.request_text(envelope, data)
    assert json.loads(text) == json.loads(vector["request_text"])
    opened = accepts(codec.seal(text, signed, mode), PartnerKey(KEY.public_key, mode))
    assert (opened.envelope, opened.data) == (envelope, vector["request"])


@pytest.mark.parametrize("mode", SignMode)
@pytest.mark.parametrize("vector", VECTORS["operations"], ids=lambda vector: vector["name"])
def test_an_answer_is_written_compactly_and_read_back(vector, mode):
    kind = OPERATIONS[vector["name"]].answer
    text = codec.answer_text("000000", "成功", read(kind, vector["answer"]) if kind else None)
    assert json.loads(text) == json.loads(vector["answer_text"])
    assert text.endswith(b',"sign":""}')
    assert len(text) == len(vector["answer_text"].encode()), "compact UTF-8"
    opened = codec.open_answer(codec.seal(text, signed, mode), PartnerKey(KEY.public_key, mode))
    assert (opened.envelope.result, opened.envelope.text) == ("000000", "成功")
    assert opened.data == (vector["answer"] or {})


def test_a_sealed_answer_ends_in_its_signature_in_upper_case():
    body = codec.put_sign(codec.answer_text("999999", "未知错误"), bytes(range(160, 224)))
    digits = bytes(range(160, 224)).hex().upper()
    assert body == f'{{"result":"999999","resultdesc":"未知错误","sign":"{digits}"}}'.encode()


def test_only_our_own_texts_are_sealed():
    with pytest.raises(ValueError, match="was not made by"):
        codec.put_sign(b'{"sign":"", "x":1}', bytes(64))


# --- forms that others write ------------------------------------------------------------------------------------------

HEAD = CREATE["request_text"].removesuffix(',"sign":""}').removeprefix("{")
GOOD_FORMS = {
    "sign last": f'{{{HEAD},"sign":""}}',
    "sign first": f'{{"sign":"",{HEAD}}}',
    "sign in the middle": f'{{"x":1,"sign":"",{HEAD}}}',
    "indented": json.dumps(json.loads(CREATE["request_text"]), indent=2).replace('"sign": ""', '"sign":""'),
    "spaces all around": f' \r\n{{ {HEAD} , "sign":"" }}\n',
    "an inner sign": f'{{{HEAD},"x":{{"sign":"ABC"}},"sign":""}}',
    "an inner sign that is empty": f'{{"sign":"",{HEAD},"x":{{"sign":"ABC","y":""}}}}',
    "sign as a value": f'{{"x":"sign","sign":"",{HEAD}}}',
    "sign inside a text": f'{{"x":"\\"sign\\":\\"\\"","sign":"",{HEAD}}}',
    "escapes": json.dumps(json.loads(CREATE["request_text"]) | {"x": "湖州"}).replace('"sign": ""', '"sign":""'),
}


@pytest.mark.parametrize("text", GOOD_FORMS.values(), ids=GOOD_FORMS)
def test_a_message_verifies_wherever_its_sign_stands(text):
    start = text.index('"sign":""')
    signature = signed(text.encode()).hex()
    for digits in (signature, signature.upper()):
        body = text[: start + 8] + digits + text[start + 8 :]
        assert accepts(body.encode()).envelope.serial == ENVELOPE["joininstssn"]


def test_an_escaped_sign_is_still_the_outermost_sign():
    text = CREATE["request_text"].replace('"sign":""', '"sig\\u006e":""')
    body = text.replace('\\u006e":""', f'\\u006e":"{signed(text.encode()).hex()}"').encode()
    assert accepts(body).data == CREATE["request"]


def test_white_space_around_the_colon_is_signed_as_it_stands():
    text = CREATE["request_text"].replace('"sign":""', '"sign" \t:\n""')
    body = text.replace(':\n""', f':\n"{signed(text.encode()).hex()}"').encode()
    assert accepts(body).data == CREATE["request"]


def test_data_may_be_json_text():
    value = json.loads(CREATE["request_text"])
    text = json.dumps(value | {"data": json.dumps(value["data"])}).replace('"sign": ""', '"sign":""')
    assert accepts(filled(text)).data == CREATE["request"]


@pytest.mark.parametrize("data", ["", '"data":null,', '"data":{},', '"data":"{}",'])
def test_data_may_be_absent(data):
    value = json.loads(CREATE["request_text"])
    del value["data"], value["sign"]
    text = "{" + data + json.dumps(value)[1:-1] + ',"sign":""}'
    assert accepts(filled(text)).data == {}


OMIT_FORMS = {  # as received (S for the value), and the text that was signed
    "last": ('{"a":1,"sign":S}', '{"a":1}'),
    "first": ('{"sign":S,"a":1}', '{"a":1}'),
    "middle": ('{"a":1,"sign":S,"b":2}', '{"a":1,"b":2}'),
    "alone": ('{"sign":S}', "{}"),
    "last, spaced": ('{ "a":1 , "sign" : S }', '{ "a":1  }'),
    "last, indented": ('{\n "a":1,\n "sign": S\n}', '{\n "a":1\n}'),
    "first, spaced": ('{ "sign" : S , "a":1 }', '{ "a":1 }'),
    "first, indented": ('{\n "sign": S,\n "a":1\n}', '{\n "a":1\n}'),
    "alone, spaced": ('{ "sign":S\n}', "{ \n}"),
    "escaped key": ('{"a":"\\"","sig\\u006e":S}', '{"a":"\\""}'),
    "inner sign before": ('{"a":{"sign":"x"},"sign":S}', '{"a":{"sign":"x"}}'),
}


@pytest.mark.parametrize(("received", "text"), OMIT_FORMS.values(), ids=OMIT_FORMS)
def test_a_partner_that_omits_sign_signs_the_text_without_the_member(received, text):
    body = received.replace("S", '"' + "A1" * 64 + '"').encode()
    message = codec.Parsed(body, {}, {}, codec._parse(body)[2])
    assert message.signed_text(SignMode.OMIT) == text.encode()


def test_the_two_modes_do_not_pass_for_each_other():
    text = codec.answer_text("000000", "成功")
    for written, expected in ((SignMode.EMPTY, OMIT), (SignMode.OMIT, EMPTY)):
        with pytest.raises(BadSignature):
            codec.open_answer(codec.seal(text, signed, written), expected)


def test_a_parsed_message_shows_neither_its_body_nor_its_data():
    assert CREATE["request"]["cardno"] not in repr(codec.parse_request(sealed()))


# --- refusals ---------------------------------------------------------------------------------------------------------

MALFORMED = {
    "sign missing": (CREATE["request_text"].replace(',"sign":""', ""), "sign"),
    "sign null": (CREATE["request_text"].replace('"sign":""', '"sign":null'), "sign"),
    "sign a number": (CREATE["request_text"].replace('"sign":""', '"sign":1'), "sign"),
    "sign an object": (CREATE["request_text"].replace('"sign":""', '"sign":{}'), "sign"),
    "sign only inside": ('{"data":{"sign":""}}', "sign"),
    "sign twice": (CREATE["request_text"].replace('"sign":""', '"sign":"","sign":""'), "'sign'"),
    "sign twice, once escaped": (CREATE["request_text"].replace('"sign":""', '"sign":"","sig\\u006e":""'), "'sign'"),
    "a key twice": (CREATE["request_text"].replace("{", '{"chnlid":"10",', 1), "'chnlid'"),
    "a key twice in data": (CREATE["request_text"].replace('"data":{', '"data":{"txnamt":"1",'), "'txnamt'"),
    "a key twice in data as text": ('{"data":"{\\"a\\":1,\\"a\\":1}","sign":""}', "'a'"),
    "NaN": (CREATE["request_text"].replace("{", '{"x":NaN,', 1), "message"),
    "a fraction": (CREATE["request_text"].replace('"txnamt":"1000"', '"txnamt":10.5'), "message"),
    "a fraction in data as text": ('{"data":"{\\"txnamt\\":1.0}","sign":""}', "message"),
    "a list for data": ('{"data":[],"sign":""}', "data"),
    "a number for data": ('{"data":1,"sign":""}', "data"),
    "text for data that is no object": ('{"data":"[]","sign":""}', "data"),
    "text for data that is no JSON": ('{"data":"a=1","sign":""}', "data"),
    "a byte order mark": ("\ufeff" + CREATE["request_text"], "message"),
    "deep nesting": (CREATE["request_text"].replace("{", '{"x":' + "[" * 40 + "]" * 40 + ",", 1), "message"),
    "a field missing": (CREATE["request_text"].replace('"oprid":"op01",', ""), "oprid"),
    "a date in words": (CREATE["request_text"].replace('"reqdate":"20260101"', '"reqdate":"today"'), "reqdate"),
}


@pytest.mark.parametrize(("text", "field"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_refused_by_its_field(text, field):
    with pytest.raises(Malformed) as refusal:
        accepts(filled(text))
    assert refusal.value.field == field


def test_the_limit_is_64_kib_exactly():
    room = MAX_BODY_BYTES - len(sealed(CREATE["request_text"].replace("{", '{"x":"",', 1)))
    accepts(sealed(CREATE["request_text"].replace("{", f'{{"x":"{"y" * room}",', 1)))
    with pytest.raises(Malformed, match="at most 65536 bytes are read, not 65537"):
        accepts(sealed(CREATE["request_text"].replace("{", f'{{"x":"{"y" * (room + 1)}",', 1)))


BAD_DIGITS = ["", "00", "0" * 127, "0" * 129, "G" * 128, " " + "0" * 127, "0x" + "0" * 126, "0" * 128, "F" * 128]
BAD_DIGITS += ["０" * 128, "\\u0030" + "0" * 127, "Aa" * 64]


@pytest.mark.parametrize("digits", BAD_DIGITS)
def test_what_is_no_signature_is_refused(digits):
    with pytest.raises(BadSignature):
        accepts(filled(CREATE["request_text"], digits))


def test_a_signature_of_mixed_case_is_refused():
    body = sealed()
    upper = codec.parse_request(body).sign
    with pytest.raises(BadSignature, match="of one case"):
        accepts(body.replace(upper, upper[:65].lower() + upper[65:]))


def test_another_key_is_refused():
    with pytest.raises(BadSignature):
        accepts(codec.seal(CREATE["request_text"].encode(), lambda text: signed(text, OTHER)))


def test_swapped_signatures_are_refused():
    first, second = sealed(), sealed(CREATE["request_text"].replace("2026010100000001", "2026010100000002"))
    for body, other in ((first, second), (second, first)):
        with pytest.raises(BadSignature):
            accepts(body.replace(codec.parse_request(body).sign, codec.parse_request(other).sign))


def test_a_signature_that_stands_elsewhere_too_is_refused():
    body = sealed()
    sign = codec.parse_request(body).sign.decode()
    with pytest.raises(BadSignature, match="stands elsewhere"):
        accepts(body.decode().replace("{", f'{{"x":{sign},', 1).encode())


def test_a_signature_moved_into_the_data_is_refused():
    text = CREATE["request_text"].replace('"data":{', '"data":{"sign":"",')
    body = text.replace('"sign":""', f'"sign":"{signed(text.encode()).hex()}"', 1).encode()
    with pytest.raises(BadSignature):
        accepts(body)


def test_a_message_written_again_is_refused():
    body = sealed()
    for again in (json.dumps(json.loads(body)), json.dumps(json.loads(body), ensure_ascii=False), body.decode() + " "):
        with pytest.raises(BadSignature):
            accepts(again.encode())


def test_an_unknown_institution_is_told_before_the_signature():
    body = sealed(CREATE["request_text"].replace("33600001", "99999999", 1))
    with pytest.raises(UnknownParty, match="institution '99999999'"):
        accepts(body.replace(codec.parse_request(body).sign, b'"00"'))


def test_the_envelope_is_told_before_the_institution():
    with pytest.raises(Malformed, match=r"^reqtime: "):
        accepts(filled(CREATE["request_text"].replace("33600001", "99999999").replace("093000", "9:30")))


@pytest.mark.parametrize("result", ["", "0", "00000", "0000000", 0])
def test_an_answer_without_a_result_code_is_refused(result):
    with pytest.raises(Malformed, match=r"^result: "):
        codec.parse_answer(json.dumps({"result": result, "resultdesc": "", "sign": ""}).encode())


def flips(body: bytes) -> list[int]:
    """All bits of the signature and of the structure, and a sample of the rest: bit numbers."""
    sign_at = body.index(codec.parse_request(body).sign)
    structure = {8 * n + bit for n, byte in enumerate(body) if byte in b'{}[]":,\\' for bit in range(8)}
    digits = set(range(8 * sign_at, 8 * (sign_at + 130)))
    rest = set(range(8 * len(body))) - structure - digits
    return sorted(structure | digits) + random.Random(7).sample(sorted(rest), 500)


def test_every_flipped_bit_is_refused():
    """The short form; `make fuzz` flips all of them."""
    body = sealed()
    bits = flips(body)
    assert len(bits) > 2000
    for bit in bits:
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Malformed, BadSignature, UnknownParty)):
            accepts(bytes(flipped))


# --- any message ------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
extras = st.dictionaries(
    texts.filter(lambda key: key not in {*ENVELOPE, "data", "sign"}),
    st.recursive(texts | st.integers(-9, 9) | st.none(), lambda inner: st.lists(inner, max_size=2), max_leaves=3),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(extras, extras, st.integers(0, 20), st.booleans(), st.sampled_from([None, 0, 3]), st.sampled_from(SignMode))
def test_whatever_a_client_writes_and_signs_is_accepted(outer, inner, place, ascii_only, indent, mode):
    members = list({**ENVELOPE, **outer, "data": {**inner, "sign": "inner"}}.items())
    members.insert(place % (len(members) + 1), ("sign", "@@"))

    def write(pairs: list) -> str:
        return json.dumps(dict(pairs), ensure_ascii=ascii_only, indent=indent)

    whole = write(members)
    text = whole.replace('"@@"', '""') if mode is SignMode.EMPTY else write([m for m in members if m[0] != "sign"])
    body = whole.replace('"@@"', f'"{signed(text.encode()).hex()}"').encode()
    message = codec.parse_request(body)
    codec.verify(message, PartnerKey(KEY.public_key, mode))
    assert message.fields["data"] == {**inner, "sign": "inner"}


@given(st.binary(max_size=80) | extras.map(lambda value: json.dumps({**value, "sign": "x"}).encode()))
def test_any_bytes_are_parsed_or_malformed(body):
    """Two parsers look at a message; what the strict one lets through, the other must not stumble over."""
    with suppress(Malformed):
        codec._parse(body)


# --- repeats ----------------------------------------------------------------------------------------------------------


def digest(text: str) -> bytes:
    return codec.contents_digest(codec.parse_request(filled(text)))


def test_a_repeat_has_the_same_digest_however_it_is_written():
    value = json.loads(CREATE["request_text"])
    original = digest(CREATE["request_text"])
    assert digest(CREATE["request_text"]) == original, "another signature"
    assert digest(json.dumps(value, indent=1).replace('"sign": ""', '"sign":""')) == original
    assert digest(json.dumps(dict(reversed(value.items()))).replace('"sign": ""', '"sign":""')) == original
    as_text = json.dumps(value | {"data": json.dumps(value["data"])}).replace('"sign": ""', '"sign":""')
    assert digest(as_text) == original


def test_other_contents_have_another_digest():
    original = digest(CREATE["request_text"])
    for old, new in (("1000", "1001"), ('"chnlid":"10"', '"chnlid":"11"'), ("093000", "093001"), ("{", '{"x":1,')):
        assert digest(CREATE["request_text"].replace(old, new, 1)) != original
