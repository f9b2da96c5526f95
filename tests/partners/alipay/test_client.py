"""The gateway's client against a signing gateway of the test's making: what it sends, and what each answer means."""

import base64
import json
from datetime import datetime
from urllib.parse import parse_qsl

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tongka.days import ZONE
from tongka.errors import Failed, Misconfigured, Unknown
from tongka.partners.alipay import client_messages as m
from tongka.partners.alipay.client import Gateway, GatewayRefused, trade

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=ZONE)
SETTLE = "alipay.commerce.transport.offlinepay.trade.settle"
TRADE = trade(
    user_id="2088000000000001",
    out_trade_no="LINE1_1",
    at=NOON,
    subject="192路 {公交}",
    amount_fen=205,
    records=["00ff"],
    context={"line": "metro2", "start_station": "松江大学城"},
)


@pytest.fixture(scope="module")
def keys():
    return generate_private_key(65537, 2048), generate_private_key(65537, 2048)


def pem(key):
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


class Simulated:
    """Verifies what it is sent, and answers a node, signed, or what else the test wants."""

    def __init__(self, keys):
        self.app, self.own = keys
        self.node = {"code": "10000", "msg": "Success"}
        self.respond = self.signed
        self.sent = []

    def __call__(self, request):
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))
        sign = base64.b64decode(form.pop("sign"))
        text = "&".join(f"{name}={form[name]}" for name in sorted(form))
        self.app.public_key().verify(sign, text.encode(), PKCS1v15(), SHA256())
        self.sent.append(form)
        return self.respond(form["method"].replace(".", "_") + "_response")

    def signed(self, name):
        return self.answer(name, self.text())

    def text(self):
        return json.dumps(self.node, ensure_ascii=False, indent=1)

    def answer(self, name, node, **more):
        sign = base64.b64encode(self.own.sign(node.encode(), PKCS1v15(), SHA256())).decode()
        rest = "".join(f',"{key}":"{value}"' for key, value in more.items())
        return httpx.Response(200, content=f'{{"{name}":{node},"sign":"{sign}"{rest}}}'.encode())


@pytest.fixture
def simulated(keys):
    return Simulated(keys)


@pytest.fixture
def gateway(keys, simulated):
    http = httpx.AsyncClient(transport=httpx.MockTransport(simulated))
    return Gateway(
        "http://127.0.0.1/gateway.do", "app-1", pem(keys[0])[0], pem(keys[1])[1], clock=lambda: NOON, http=http
    )


async def test_a_settlement_says_what_the_document_asks_for(gateway, simulated):
    simulated.node["result_list"] = [
        {"out_trade_no": "LINE1_1", "result": "UNKNOWN", "need_retry": True, "next_try_time": "2026-03-02 13:00:00"}
    ]
    results = await gateway.trade_settle([TRADE])
    assert results["LINE1_1"].retry_at == "2026-03-02 13:00:00"
    (form,) = simulated.sent
    assert (form["app_id"], form["method"], form["sign_type"]) == ("app-1", SETTLE, "RSA2")
    assert form["timestamp"] == "2026-03-02 12:00:00"
    (sent,) = json.loads(form["biz_content"])["trade_list"]
    assert (sent["amount"], sent["actual_order_time"]) == ("2.05", "2026-03-02 12:00:00")
    assert json.loads(sent["order_biz_context"])["start_station"] == "松江大学城"
    assert "seller_login_name" not in sent


async def test_keys_are_as_the_verifier_takes_them(gateway, simulated):
    simulated.node["keys"] = [{"key_id": 3, "public_key": "02AA"}]
    assert await gateway.key_query() == [{"key_id": 3, "public_key": "02AA"}]


async def test_the_other_methods_go_and_come(gateway, simulated):
    await gateway.record_verify("00ff")
    simulated.node |= {"card_no": "123", "user_id": "u", "card_type": "T0000001"}
    card = m.VirtualCard(
        action="ISSUE", user_id="u", last_update_time="2026-03-02 12:00:00", card_type="T0000001", card_no="123"
    )
    assert (await gateway.virtualcard_send(card)).card_no == "123"
    said = {"scene_code": "s", "op_code": "o", "channel": "c", "target_id": "u", "version": "2.0"}
    await gateway.data_send(m.Report(op_data={"info": [{"type": "event"}]}, **said))
    simulated.node |= {"card_models": [{"card_no": "123"}], "black_list": ["u2"]}
    assert await gateway.virtualcard_batchquery("u") == [{"card_no": "123"}]
    assert await gateway.userblacklist_query() == ["u2"]
    assert len({form["method"] for form in simulated.sent}) == 5


@pytest.mark.parametrize(
    ("node", "error"),
    [
        ({"code": "40004", "sub_code": "ILLEGAL_PARAMS"}, GatewayRefused),
        ({"code": "40004", "sub_code": "FAIL", "sub_error_code": "CARD_NOT_EXIST"}, GatewayRefused),
        ({"code": "40002", "sub_code": "isv.invalid-signature"}, GatewayRefused),
        ({"code": "40005", "sub_code": "isv.app-call-limited"}, Failed),
        ({"code": "20000", "sub_code": "isp.unknow-error"}, Unknown),
        ({"code": "40004", "sub_code": "UNKNOWN"}, Unknown),
    ],
)
async def test_no_failed_and_unknown_are_told_apart(gateway, simulated, node, error):
    simulated.node = node
    with pytest.raises(error) as told:
        await gateway.trade_settle([TRADE])
    assert node["sub_code"] in str(told.value)


async def test_a_node_under_error_response_is_read_too(gateway, simulated):
    simulated.node = {"code": "40001", "sub_code": "isv.missing-method"}
    simulated.respond = lambda _: simulated.signed("error_response")
    with pytest.raises(GatewayRefused, match="missing-method"):
        await gateway.record_verify("00")


async def test_a_certificates_number_after_the_sign_does_not_matter(gateway, simulated):
    simulated.respond = lambda name: simulated.answer(name, simulated.text(), alipay_cert_sn="ab")
    await gateway.record_verify("00")


def tampered(simulated, name):
    good = simulated.signed(name).content
    return httpx.Response(200, content=good.replace(b"Success", b"Succes5"))


def unsigned(_, name):
    return httpx.Response(200, json={name: {"code": "10000", "msg": "Success"}})


def raising(error):
    def answer(*_):
        raise error

    return answer


@pytest.mark.parametrize(
    "respond",
    [
        tampered,
        unsigned,
        lambda *_: httpx.Response(200, content=b"<html>"),
        lambda *_: httpx.Response(200, json={"sign": "AA=="}),
        lambda *_: httpx.Response(502, content=b"{}"),
        lambda *_: httpx.Response(200, content=b" " * (4 << 20) + b" "),
        raising(httpx.ReadTimeout("slow")),
    ],
)
async def test_what_does_not_verify_was_not_answered(gateway, simulated, respond):
    simulated.respond = lambda name: respond(simulated, name)
    with pytest.raises(Unknown):
        await gateway.trade_settle([TRADE])


async def test_a_gateway_that_cannot_be_reached_did_nothing(gateway, simulated):
    simulated.respond = raising(httpx.ConnectError("refused"))
    with pytest.raises(Failed):
        await gateway.trade_settle([TRADE])


def test_a_key_of_another_kind_is_told_at_once(keys):
    private, public = pem(keys[0])
    with pytest.raises(Misconfigured, match="public key"):
        Gateway("http://127.0.0.1/", "a", private, private)
    with pytest.raises(Misconfigured, match="private key"):
        Gateway("http://127.0.0.1/", "a", "no key", public)
