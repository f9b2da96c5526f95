"""Requests as nobody should send them, thrown at the open gateway: each is read or refused, never another error.

    python fuzz/fuzz_gateway.py --count 1000000 [--seed N]

Starts from signed requests of every method and cuts, doubles, moves, replaces and splices query, body and biz_content.
Held to all of them: the answer's node has letters and `_` only; a signature is accepted only over parameters that were
signed; the node of a refusal is ASCII that reads back as it was meant, without braces or quotes inside its texts; and
whatever biz_content says is read by each method's messages, or refused by name.
"""

import argparse
import base64
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tongka.code.reasons import CodeRefused
from tongka.code.record import parse_record
from tongka.errors import Malformed
from tongka.partners.alipay import codec, messages, serve
from tongka.partners.alipay.codes import CommonRefused
from tongka.partners.alipay.operations import METHODS
from tongka.wire import read

KEY = rsa.generate_private_key(65537, 2048)
NODE = re.compile(r"[A-Za-z_]+_response")
TRADE = {
    "user_id": "2088000000000001",
    "out_trade_no": "T1",
    "actual_order_time": "2026-03-02 12:00:00",
    "subject": "公交-19路",
    "amount": "2.00",
    "records": ["2002" * 40],
    "order_biz_context": '{"line":"metro2"}',
}
CARD = {
    "action": "ISSUE",
    "user_id": "2088000000000001",
    "last_update_time": "2026-03-02 11:00:00",
    "card_type": "GJ330500",
    "card_no": "C1",
    "card_data": "0A0B",
    "balance": "1.50",
    "disabled": False,
    "ext_info": {"city_code": "330500"},
}
RIDE = dict.fromkeys(
    ("subject", "biz_time", "asset_name", "city_name", "line_name", "start_station_name", "partner_name", "partner_id"),
    "x",
)
REPORT = {
    "scene_code": "s",
    "op_code": "o",
    "channel": "c",
    "target_id": "u",
    "version": "2.0",
    "op_data": {"info": [RIDE | {"type": "order", "biz_no": "B", "vehicle_type": "BUS", "amount": 1.5}]},
}
CONTENTS = ({}, {"record": "2002" * 40}, {"trade_list": [TRADE] * 2}, CARD, REPORT, {"page_index": "1", "page_size": 9})
TOKENS = (
    *(b"&", b"=", b"%", b"%00", b"%FF%FE", b"+", b"%ED%A0%80", b"&charset=gbk", b"&charset=utf-16", b"&sign=AAAA"),
    *(b"&sign_type=RSA", b"&method=a.b", b'"', b"{", b"}", b"[", b"]", b"[" * 40, b"\\ud800", b"\\u0000", b"null"),
    *(b"NaN", b"1e9", b"-0", b"1.555", b"9" * 60, b"true", b'"":"",', b",", b":", b"\\", b"\xff", b"\x00", b"A" * 300),
)

Part = tuple[bytes, bytes]
"""Query and body."""


def seeds() -> list[tuple[dict[str, str], str]]:
    """Signed requests of every method, with their biz_content."""
    made = []
    for method, content in zip(METHODS, (*CONTENTS, {}), strict=False):
        biz = json.dumps(content, ensure_ascii=False)
        given = {
            "app_id": "2021000000000001",
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": "2026-03-02 12:00:00",
            "version": "1.0",
            "biz_content": biz,
        }
        signature = KEY.sign(codec.signed_text(given).encode(), PKCS1v15(), SHA256())
        made.append((given | {"sign": base64.b64encode(signature).decode()}, biz))
    return made


SEEDS = seeds()
SIGNED = {frozenset((name, text) for name, text in given.items() if name != "sign" and text) for given, _ in SEEDS}


def mutate(draw: random.Random, text: bytes) -> bytes:
    """One to four changes."""
    changed = bytearray(text)
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(changed) + 1)
        end = min(len(changed), start + draw.choice((0, 0, 1, 2, 8, 40)))
        changed[start:end] = _replacement(draw, bytes(changed), start, end)
    return bytes(changed)


def _replacement(draw: random.Random, text: bytes, start: int, end: int) -> bytes:
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: draw.choice(TOKENS),
        lambda: draw.randbytes(draw.randrange(4)),
        lambda: text[start:end] * 2,
        lambda: text[draw.randrange(len(text) + 1) :][: draw.randrange(60)],
        lambda: bytes(byte ^ 1 << draw.randrange(8) for byte in text[start : end or 1]),
    )
    return draw.choice(kinds)()


def request(draw: random.Random) -> tuple[Part, bytes]:
    """A request, changed somewhere, and a biz_content, changed too."""
    given, biz = draw.choice(SEEDS)
    here = {name for name in given if draw.random() < 0.5}
    query = urlencode({name: text for name, text in given.items() if name in here}).encode()
    body = urlencode({name: text for name, text in given.items() if name not in here}).encode()
    match draw.randrange(3):
        case 0:
            query = mutate(draw, query)
        case 1:
            body = mutate(draw, body)
        case _:
            body += b"&biz_content=" + quote_from_bytes(mutate(draw, biz.encode())).encode()
    return (query, body), mutate(draw, biz.encode())


def handle(part: Part, biz: bytes) -> str:
    """Take a request as far as it goes without a database. Any other error than a refusal is a finding."""
    outcome = envelope(*part)
    with suppress(UnicodeDecodeError):
        contents(biz.decode())
    return outcome


def envelope(query: bytes, body: bytes) -> str:
    given, wrong = serve.read(query, body)
    serve.sign_kind(given)
    try:
        node = codec.node_of(given.get("method", ""))
    except CommonRefused as error:
        told(serve.refused(error))
        return "no method"
    if not NODE.fullmatch(node):
        raise AssertionError(node)
    if wrong:
        told(serve.refused(wrong))
        return "unreadable"
    try:
        codec.verify(given, KEY.public_key())
    except CommonRefused as error:
        told(serve.refused(error))
        return "not signed"
    if frozenset((name, text) for name, text in given.items() if name != "sign" and text) not in SIGNED:
        raise AssertionError(f"accepted, and never signed: {given}")
    return "signed"


def told(node: dict[str, Any]) -> None:
    """A refusal's node reads back, and has nothing inside its texts that clients cut on."""
    text = codec.node_text(node).decode("ascii")
    if json.loads(text) != node or text.count("{") != 1 or text.count("}") != 1 or '\\"' in text:
        raise AssertionError(text)


def contents(biz: str) -> None:
    """Whatever each method would ask of it."""
    try:
        value = messages.biz_content(biz)
    except Malformed as error:
        told(serve.refused(error))
        return
    for use in USES:
        try:
            use(value)
        except Malformed as error:
            told(serve.refused(error))


def _trades(value: dict[str, Any]) -> None:
    for one in read(messages.TradeSettle, value).trade_list:
        trade = messages.trade(one, "seller")
        trade.digest.hex()
        for record in trade.records:
            _record(record)


def _record(text: str) -> None:
    with suppress(CodeRefused):
        parse_record(text)


USES: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda value: _record(read(messages.RecordVerify, value).record),
    _trades,
    messages.card_change,
    lambda value: read(messages.CardQuery, value).wants_deleted,
    lambda value: read(messages.BlacklistQuery, value).page(),
    lambda value: messages.ride_reports(read(messages.DataSend, value)),
)


def run(count: int, seed: int) -> Counter[str]:
    """How the requests ended."""
    draw = random.Random(seed)
    ends: Counter[str] = Counter()
    for number in range(count):
        part, biz = request(draw)
        try:
            ends[handle(part, biz)] += 1
        except Exception as error:
            raise AssertionError(f"finding at {number}: {error!r}\n{part!r}\n{biz!r}") from error
    return ends


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        print(dict(run(options.count, options.seed)))
    except AssertionError as finding:
        print(finding)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
