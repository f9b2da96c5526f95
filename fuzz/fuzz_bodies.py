"""Bodies as nobody should write them, thrown at Huzhou's parser: each is read or refused, never another error.

    python fuzz/fuzz_bodies.py --count 1000000 [--seed N]

Starts from the messages of tests/vectors/huzhou_messages.json and cuts, doubles, moves, replaces and splices them; what
still parses is read as its operation, its card script paired, its contents digested and its signed text cut out.
"""

import argparse
import json
import random
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tongka.errors import BadSignature, CardAnswersMissing, Malformed
from tongka.partners.huzhou import codec
from tongka.partners.huzhou.codec import SignMode
from tongka.partners.huzhou.fields import customer_of
from tongka.partners.huzhou.messages import OPERATIONS, operation_for
from tongka.wire import Message, read

VECTORS = json.loads((Path(__file__).parents[1] / "tests" / "vectors" / "huzhou_messages.json").read_text("utf-8"))
SIGN = f'"sign":"{"A0" * 64}"'
SEEDS = [each["request_text"].replace('"sign":""', SIGN).encode() for each in VECTORS["operations"]]
TOKENS = [
    *(
        b'"sign":""',
        b'"sig\\u006e":"',
        b'"data":"{}"',
        b'"data":{',
        b"null",
        b"NaN",
        b"-Infinity",
        b"1e9",
        b"1.5",
        b"-0",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x00",
        b"\\ud800",
        b"\\udc00",
        b'\\"',
        b"\\",
        b'"',
        b",",
        b":",
        b"{",
    ),
    *(b"}", b"[", b"]", b"[" * 50, b'{"a":' * 50, b" ", b"\n", b"9" * 40, b'"apdulist":[', b"9000,", b"true", b'"":""'),
]


def mutate(draw: random.Random) -> bytes:
    """One to four changes to one of the messages."""
    body = bytearray(draw.choice(SEEDS))
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(body) + 1)
        end = min(len(body), start + draw.choice((0, 0, 1, 2, 8, 40, 400)))
        body[start:end] = replacement(draw, bytes(body), start, end)
    return bytes(body)


def replacement(draw: random.Random, body: bytes, start: int, end: int) -> bytes:
    match draw.randrange(6):
        case 0:
            return b""
        case 1:
            return draw.choice(TOKENS)
        case 2:
            return draw.randbytes(draw.randrange(4))
        case 3:
            return body[start:end] * 2
        case 4:
            other = draw.choice(SEEDS)
            at = draw.randrange(len(other))
            return other[at : at + draw.randrange(60)]
        case _:
            return bytes((byte ^ 1 << draw.randrange(8)) for byte in body[start : end or 1])


def handle(body: bytes) -> str:
    """Take a body as far as it goes. Any other error than a refusal is a finding."""
    try:
        message = codec.parse_request(body)
    except Malformed:
        return "malformed envelope"
    codec.contents_digest(message)
    for mode in SignMode:
        with suppress(BadSignature):
            codec.Parsed.signed_text(message, mode)
            _ = message.signature
    ends = {as_operation(name, message.data) for name in OPERATIONS}
    return "read" if "read" in ends else "malformed data"


def as_operation(name: str, data: dict[str, Any]) -> str:
    """Read `data` as it would be under one of the paths."""
    operation = operation_for(name, data) or OPERATIONS[name]
    try:
        use(read(operation.request, data))
    except (CardAnswersMissing, Malformed):
        return "refused"
    return "read"


def use(message: Message) -> None:
    """Whatever a journey would ask of the message."""
    for name in ("amount", "page", "page_size", "ascending", "has_answers"):
        getattr(message, name, None)
    customer_of(getattr(message, "customer", None))
    if hasattr(message, "script"):
        message.script(()) if hasattr(message, "entries") else message.script()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    draw = random.Random(options.seed)
    ends: Counter[str] = Counter()
    for number in range(options.count):
        body = mutate(draw)
        try:
            ends[handle(body)] += 1
        except Exception as error:  # noqa: BLE001 - that is what we look for
            print(f"finding at {number}: {error!r}\n{body!r}")
            return 1
    print(dict(ends))
    return 0


if __name__ == "__main__":
    sys.exit(main())
