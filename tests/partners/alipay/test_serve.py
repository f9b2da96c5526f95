"""The gateway's envelope: parameters in any split, signatures, errors under the right node, byte-exact answers."""

import asyncio
import base64
import html
import json
import socket
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tongka.partners.alipay import codec
from tongka.partners.alipay.codes import COMMON
from tongka.serving import bind, serving
from tongka.settings import Web
from tongka.store import merchants
from tongka.web import build_app

KEYS = "alipay.commerce.transport.offlinepay.key.query"
VERIFY = "alipay.commerce.transport.offlinepay.record.verify"
KEYS_NODE, VERIFY_NODE = KEYS.replace(".", "_") + "_response", VERIFY.replace(".", "_") + "_response"


def split(given, names):
    return ({k: v for k, v in given.items() if k in names}, {k: v for k, v in given.items() if k not in names})


COMMON_NAMES = {"app_id", "method", "format", "charset", "sign_type", "timestamp", "version", "sign"}


async def test_parameters_may_be_split_between_query_and_body(gateway):
    given = gateway.common(VERIFY, {"record": gateway.record(await gateway.code()), "无": "中文 &=+%"})
    for in_query in (set(), COMMON_NAMES, {"sign"}, {"method"}, set(given)):
        assert (await gateway.post(*split(given, in_query), node=VERIFY_NODE))["code"] == "10000"


async def test_a_success_has_no_sub_code(gateway):
    node = await gateway.ask("key.query")
    assert set(node) == {"code", "msg", "keys"}
    assert (node["code"], node["msg"]) == ("10000", "Success")
    assert [key["key_id"] for key in node["keys"]] == list(range(32))
    assert all(len(key["public_key"]) == 66 for key in node["keys"])


async def test_both_signature_types_and_none_means_rsa(gateway):
    for sign_type in ("RSA", "RSA2", None):
        given = gateway.common(KEYS, None, sign_type=sign_type)
        raw = await gateway.server.answer(urlencode(given).encode(), b"")
        assert gateway.opened(raw, KEYS_NODE, sign_type or "RSA")["code"] == "10000"


async def test_sign_type_is_part_of_what_is_signed(gateway):
    given = gateway.common(KEYS, None)
    given["sign_type"] = "RSA"
    assert (await gateway.post(given, {}, node=KEYS_NODE))["sub_code"] == "isv.invalid-signature"


async def test_empty_parameters_may_be_signed_or_not(gateway):
    with_empty = gateway.common(KEYS, "", app_auth_token="")
    assert (await gateway.post(with_empty, {}, node=KEYS_NODE))["code"] == "10000"
    without = gateway.common(KEYS, None)
    assert (await gateway.post(without, {"app_auth_token": "", "biz_content": ""}, node=KEYS_NODE))["code"] == "10000"


async def test_gbk_is_read(gateway):
    given = gateway.common(VERIFY, {"record": "公交"}, charset="gbk", sign=None)
    text = "&".join(f"{name}={given[name]}" for name in sorted(given)).encode("gbk")
    given["sign"] = base64.b64encode(gateway.app_key.sign(text, PKCS1v15(), SHA256())).decode()
    raw = await gateway.server.answer(urlencode(given, encoding="gbk").encode(), b"")
    assert gateway.opened(raw, VERIFY_NODE)["sub_code"] == "ILLEGAL_PARAMS"


MISSING = {"app_id": "missing-app-id", "sign": "missing-signature", "timestamp": "missing-timestamp"}
WRONG = [
    ({"app_id": "2021999999999999"}, "40002", "isv.invalid-app-id"),
    ({"format": "XML"}, "40002", "isv.invalid-format"),
    ({"sign_type": "RSA3"}, "40002", "isv.invalid-signature-type"),
    ({"sign": "AAAA"}, "40002", "isv.invalid-signature"),
    ({"sign": "not base64!"}, "40002", "isv.invalid-signature"),
    ({"timestamp": "2026-03-02T12:00:00"}, "40002", "isv.invalid-timestamp"),
    ({"timestamp": "2026-02-30 12:00:00"}, "40002", "isv.invalid-timestamp"),
    ({"timestamp": "2026-03-02 11:49:59"}, "40002", "isv.invalid-timestamp"),
    ({"version": "2.0"}, "40002", "isv.invalid-parameter"),
    ({"encrypt_type": "AES"}, "40002", "isv.invalid-encrypt-type"),
    ({"notify_url": "ftp://example.com"}, "40002", "isv.invalid-parameter"),
    *(({name: None}, "40001", f"isv.{sub}") for name, sub in (MISSING | {"version": "missing-version"}).items()),
]


APART = {
    "aop.invalid-auth-token",
    "aop.invalid-app-auth-token",
    "isv.missing-signature-config",
    "isv.app-call-limited",
    "isv.insufficient-isv-permissions",
    "isv.invalid-app-cert-sn",
    "isv.invalid-alipay-root-cert-sn",
}
"""Those with tests of their own; the last two run with clients in certificate mode."""


async def test_wrong_common_parameters_are_told_under_the_methods_own_node(gateway):
    for changes, code, sub_code in WRONG:
        node = await gateway.ask("key.query", **changes)
        assert (node["code"], node["sub_code"]) == (code, sub_code), changes
        assert node["sub_msg"]


async def test_another_charset(gateway):
    given = gateway.common(KEYS, None, charset="utf-16")
    node = await gateway.post(given, {}, node=KEYS_NODE)
    assert node["sub_code"] == "isv.invalid-charset"


async def test_bytes_that_are_not_of_the_charset(gateway):
    raw = await gateway.server.answer(b"sign_type=RSA2&method=" + KEYS.encode() + b"&x=%FF%FE", b"")
    assert gateway.opened(raw, KEYS_NODE)["sub_code"] == "isv.invalid-charset"


HOSTILE = ("", None, '"}', "a b", "a..b", ".a", "alipay.trade.pay2", "__proto__", "x" * 200, "中.文")


async def test_a_missing_or_hostile_method_is_told_under_error_response(gateway):
    for method in HOSTILE:
        given = gateway.common(KEYS, None) | {"method": method}
        node = await gateway.post({k: v for k, v in given.items() if v is not None}, {}, node="error_response")
        assert node["sub_code"] == ("isv.invalid-method" if method else "isv.missing-method"), method


async def test_an_unknown_method_is_told_under_its_own_node(gateway):
    node = await gateway.ask("alipay.trade.pay", {})
    assert (node["code"], node["sub_code"]) == ("40002", "isv.invalid-method")


async def test_the_developer_sees_the_string_that_was_to_be_signed(gateway):
    given = gateway.common(VERIFY, {"record": "ab&<'"}) | {"sign": "AAAA"}
    node = await gateway.post(given, {}, node=VERIFY_NODE)
    told = node["sub_msg"]
    assert not set(told) & set("\"'{}<>")
    assert "&quot;record&quot;" in told
    assert "&#123;" in told
    assert html.unescape(told).endswith("&".join(f"{k}={given[k]}" for k in sorted(given) if k != "sign"))


async def test_every_flipped_bit_of_a_signed_parameter_is_refused(gateway):
    given = gateway.common(KEYS, None, app_auth_token="abc")
    for name in ("timestamp", "app_auth_token", "charset"):
        for at in range(8 * len(given[name])):
            changed = bytearray(given[name].encode())
            changed[at // 8] ^= 1 << at % 8
            raw = await gateway.server.answer(urlencode(given | {name: bytes(changed)}).encode(), b"")
            assert json.loads(raw).get(KEYS_NODE, {}).get("code") != "10000"


async def test_a_parameter_that_is_there_twice_with_different_values(gateway):
    given = gateway.common(KEYS, None)
    raw = await gateway.server.answer(urlencode(given).encode(), b"app_id=other")
    assert gateway.opened(raw, KEYS_NODE)["sub_code"] == "isv.invalid-parameter"
    raw = await gateway.server.answer(urlencode(given).encode(), b"method=a.b")
    assert gateway.opened(raw, "error_response")["sub_code"] == "isv.invalid-parameter"


async def test_too_many_parameters(gateway):
    raw = await gateway.server.answer(urlencode({f"p{n}": n for n in range(100)}).encode(), b"")
    assert gateway.opened(raw, "error_response", "RSA")["sub_code"] == "isv.invalid-parameter"


TWICE = '{"record":"ab","record":"ab"}'
BAD = ("{", "[]", "null", TWICE, '{"record":NaN}', "{}", '{"record":1}', '{"record":"xy"}', "[" * 5000)


async def test_bad_business_parameters_are_a_business_failure(gateway):
    for biz in BAD:
        node = await gateway.ask("record.verify", biz)
        assert (node["code"], node["sub_code"]) == ("40004", "ILLEGAL_PARAMS"), biz


async def test_record_verify_uses_nothing_up(gateway):
    record = gateway.record(await gateway.code())
    for _ in range(2):
        assert (await gateway.ask("record.verify", {"record": record}))["code"] == "10000"
    assert (await gateway.settle(gateway.trade(record)))[0]["result"] == "SUCCESS"


async def test_what_was_settled_before_does_not_verify_again(gateway):
    code = await gateway.code()
    record = gateway.record(code, record_id="one")
    assert (await gateway.settle(gateway.trade(record)))[0]["result"] == "SUCCESS"
    copy = gateway.record(code, record_id="two")
    same_id = gateway.record(await gateway.code(), record_id="one")
    for spent in (record, copy, same_id):
        node = await gateway.ask("record.verify", {"record": spent})
        assert (node["code"], node["sub_code"]) == ("40004", "FAIL")


async def test_a_damaged_record_fails(gateway):
    record = gateway.record(await gateway.code())
    node = await gateway.ask("record.verify", {"record": f"{record[:-2]}{int(record[-2:], 16) ^ 1:02x}"})
    assert (node["code"], node["sub_code"]) == ("40004", "FAIL")


async def test_a_merchant_without_a_contract_has_no_right(gateway):
    app = await merchants.find(gateway.database, "2021000000000001")
    await merchants.add(
        gateway.database, merchants.MerchantApp(app.app_id, app.name, app.public_key, app.seller, contracted=False)
    )
    node = await gateway.ask("key.query")
    assert (node["code"], node["sub_code"]) == ("40004", "NO_RIGHT")


async def test_what_nobody_foresaw_is_answered_signed(gateway, monkeypatch):
    async def broken(*_):
        raise RuntimeError

    monkeypatch.setattr("tongka.partners.alipay.serve.merchants.find", broken)
    node = await gateway.ask("key.query")
    assert (node["code"], node["sub_code"]) == ("20000", "isp.unknow-error")


def test_every_common_error_has_its_test():
    told = {"isp.unknow-error", "isv.missing-method", "isv.invalid-method", "isv.invalid-charset"} | APART
    told |= {w[2] for w in WRONG}
    assert told == set(COMMON)


@pytest.mark.parametrize("text", ['a{b}"c\\', "\\u007B", "}{", "中文\n", '\\"', ""])
def test_texts_inside_a_node_hold_no_braces_and_no_quotes(text):
    node = codec.node_text({"text": text, "more": [text]})
    assert json.loads(node) == {"text": text, "more": [text]}
    assert node.count(b"{") == node.count(b"}") == 1
    assert b'\\"' not in node


# --- over a socket ----------------------------------------------------------------------------------------------------


async def request(address, lines: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(lines)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.fixture
async def address(gateway):
    listening: socket.socket = bind("127.0.0.1", 0)
    async with serving(build_app(gateway.system), listening, Web()):
        yield listening.getsockname()[:2]


async def test_a_request_target_in_absolute_form_is_routed(gateway, address):
    """The official Python client sends it so."""
    body = urlencode({"biz_content": '{"record":"ab"}'}).encode()
    given = gateway.common(VERIFY, '{"record":"ab"}')
    query = urlencode({k: v for k, v in given.items() if k != "biz_content"})
    answer = await request(
        address,
        f"POST http://127.0.0.1:{address[1]}/gateway.do?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded;charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body,
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert gateway.opened(answer.split(b"\r\n\r\n", 1)[1], VERIFY_NODE)["sub_code"] == "FAIL"


async def test_other_methods_and_large_bodies(address):
    put = await request(address, b"PUT /gateway.do HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert put.startswith(b"HTTP/1.1 405")
    size = codec.MAX_BODY_BYTES + 1
    head = f"POST /gateway.do HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n".encode()
    assert (await request(address, head + b"x" * size)).startswith(b"HTTP/1.1 413")


# --- tokens, rates, permissions ---------------------------------------------------------------------------------------


async def registered(gateway, **changes):
    """The merchant's application, as changed."""
    app = await merchants.find(gateway.database, "2021000000000001")
    await merchants.add(gateway.database, replace(app, **changes))


@pytest.mark.parametrize(
    ("token", "sub_code"),
    [("app_auth_token", "aop.invalid-app-auth-token"), ("auth_token", "aop.invalid-auth-token")],
)
async def test_a_token_that_was_never_given_is_no_authorisation(gateway, token, sub_code):
    node = await gateway.ask("key.query", **{token: "201509BB1234"})
    assert (node["code"], node["sub_code"]) == ("20001", sub_code)


async def test_an_application_calls_so_often_in_a_second_and_no_more(gateway):
    await registered(gateway, calls_per_s=3)
    nodes = [await gateway.ask("key.query") for _ in range(5)]
    assert [node["code"] for node in nodes] == ["10000"] * 3 + ["40005"] * 2
    assert nodes[-1]["sub_code"] == "isv.app-call-limited"
    gateway.pass_time(seconds=1)
    assert (await gateway.ask("key.query"))["code"] == "10000"


async def test_calls_that_it_did_not_sign_are_not_an_applications(gateway):
    await registered(gateway, calls_per_s=1)
    for _ in range(3):
        assert (await gateway.ask("key.query", sign="AAAA"))["sub_code"] == "isv.invalid-signature"
    assert (await gateway.ask("key.query"))["code"] == "10000"


async def test_an_application_calls_the_methods_that_are_open_to_it(gateway):
    await registered(gateway, methods=[KEYS])
    assert (await gateway.ask("key.query"))["code"] == "10000"
    node = await gateway.ask("record.verify", {"record": "00"})
    assert (node["code"], node["sub_code"]) == ("40006", "isv.insufficient-isv-permissions")


async def test_an_application_without_a_key_cannot_be_verified(gateway):
    await registered(gateway, public_key=b"")
    node = await gateway.ask("key.query")
    assert (node["code"], node["sub_code"]) == ("40003", "isv.missing-signature-config")


@pytest.mark.parametrize("charset", ["utf_8", "gbk ", " utf-8", "utf-8\n", "utf-8\0", "x" * 9000, "gb18030"])
async def test_a_charset_of_any_spelling_that_is_not_read(gateway, charset):
    node = await gateway.post(gateway.common(KEYS, None, charset=charset), {}, node=KEYS_NODE)
    assert (node["code"], node["sub_code"]) == ("40002", "isv.invalid-charset")


@pytest.mark.parametrize(
    ("name", "sub_code"), [("app_id", "isv.invalid-app-id"), ("notify_url", "isv.invalid-parameter")]
)
async def test_a_zero_character_in_a_parameter_is_refused(gateway, name, sub_code):
    node = await gateway.ask("key.query", **{name: "2021\0"})
    assert (node["code"], node["sub_code"]) == ("40002", sub_code)
