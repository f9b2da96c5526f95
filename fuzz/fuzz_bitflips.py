"""Every single-bit flip of every signed Huzhou message is refused.

    python fuzz/fuzz_bitflips.py [--only NAME]

The twelve requests and their answers of tests/vectors/huzhou_messages.json are signed with a new key; then each bit of
each is flipped, and what still parses is verified. A few minutes on one core; the suite runs a sample of it.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tongka.crypto import sm2
from tongka.errors import BadSignature, Malformed
from tongka.partners.huzhou import codec
from tongka.partners.huzhou.codec import Parsed, PartnerKey

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "huzhou_messages.json"


def cases() -> Iterator[tuple[str, str, Callable[[bytes], Parsed]]]:
    """Name, unsigned text and parser of every message."""
    for operation in json.loads(VECTORS.read_text("utf-8"))["operations"]:
        yield f"{operation['name']} request", operation["request_text"], codec.parse_request
        yield f"{operation['name']} answer", operation["answer_text"], codec.parse_answer


def flipped(body: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def verdict(body: bytes, parse: Callable[[bytes], Parsed], key: PartnerKey) -> str:
    """How a message ends: accepted, or the kind of its refusal. Any other error is a finding of its own."""
    try:
        codec.verify(parse(body), key)
    except (Malformed, BadSignature) as refusal:
        return refusal.code
    return "accepted"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="messages whose name contains this")
    only = parser.parse_args().only
    private = sm2.generate()
    key = PartnerKey(private.public_key)
    total: Counter[str] = Counter()
    for name, text, parse in cases():
        if only not in name:
            continue
        body = codec.seal(text.encode(), partial(sm2.sign, private))
        if verdict(body, parse, key) != "accepted":
            sys.exit(f"{name}: the unharmed message is not accepted")
        ends = Counter(verdict(changed, parse, key) for changed in flipped(body))
        print(f"{name:36} {8 * len(body):6} flips  {dict(ends)}", flush=True)
        total += ends
    print(f"{sum(total.values())} flips, {total['accepted']} accepted")
    return 1 if total["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
