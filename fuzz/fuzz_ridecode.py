"""One truth for gates in C and in Python: inputs on which they could differ, thrown at both.

    make -C sdk/posoffline test-build && python fuzz/fuzz_ridecode.py --count 1000000 [--seed N]

Valid codes of the three formats are truncated at every length and flipped in every bit; then come random mutations of
their bytes, codes signed well over odd contents, and mutated pos_param texts. Both sides must give the same result and,
for a success, the same fields and the same record; get_qrcode_info must agree with the Python parser.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from tongka.code.gate import let_through
from tongka.code.issue import make_code, sign_credential
from tongka.code.layout import (
    OPERATOR_PREFIXES,
    PLAIN_CARD_TYPE,
    Algorithm,
    Credential,
    Format,
    RideCode,
    parse_code,
)
from tongka.code.reasons import CodeRefused
from tongka.code.verify import Terms
from tongka.sandbox.mint import UPPER_HALF, Mint

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk" / "posoffline" / "tests"))
from posoffline import BUILD, Answer, Library

NOW = 1_800_000_000
CARD_TYPES = frozenset((PLAIN_CARD_TYPE, "T0000001"))
POS_PARAM = b'{"pos_id":"1","type":"SINGLE","subject":"s","record_id":"1"}'


@dataclass(frozen=True)
class Trial:
    """One call."""

    kind: str
    code: bytes
    amount_fen: int = 0
    pos_param: bytes = POS_PARAM


# --- what is tried ----------------------------------------------------------------------------------------------------


@dataclass
class Sampler:
    """Draws trials from one seed."""

    dice: random.Random
    mint: Mint
    pool: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = [self.fresh() for _ in range(24)] + [self.fresh_ministry() for _ in range(8)]

    def user_id(self) -> str:
        return f"2088{self.dice.randrange(10**12):012}"

    def fresh(self) -> bytes:
        credential = self.mint.credential(self.user_id(), NOW, **self.card())
        prefix = self.dice.choice((b"", *OPERATOR_PREFIXES))
        return self.mint.code(credential, self.moment(), key_id=self.dice.randrange(32), prefix=prefix)

    def fresh_ministry(self) -> bytes:
        dice = self.dice
        changes = {"custom": dice.randbytes(dice.choice((0, 1, 64, 65, 255))), "card_account": dice.randbytes(10)}
        return self.mint.ministry_code(self.user_id(), self.moment(), **changes)

    def card(self) -> dict[str, object]:
        dice = self.dice
        return {
            "card_type": dice.choice((PLAIN_CARD_TYPE, "T0000001", "T0000002")),
            "card_no": "7" * dice.choice((0, 1, 16)),
            "card_data": dice.randbytes(dice.choice((0, 1, 64))),
        }

    def moment(self) -> int:
        return NOW + self.dice.choice((0, 20, 21, -1, -600, -601, -self.dice.randrange(600)))

    # the systematic part

    def every_cut_and_flip(self) -> Iterator[Trial]:
        for code in self.pool[::7]:
            for size in range(len(code)):
                yield Trial("truncated", code[:size])
            for bit in range(8 * len(code)):
                yield Trial("one bit flipped", flipped(code, bit))

    # the random part

    def endless(self) -> Iterator[Trial]:
        kinds: tuple[tuple[Callable[[], Trial], int], ...] = (
            (self.valid, 2),
            (self.bytes_changed, 40),
            (self.length_lies, 20),
            (self.spliced, 10),
            (self.trailing, 5),
            (self.noise, 10),
            (self.well_signed, 5),
            (self.well_signed_past_declarations, 3),
            (self.pos_param, 20),
        )
        draws, weights = zip(*kinds, strict=True)
        while True:
            yield self.dice.choices(draws, weights)[0]()

    def valid(self) -> Trial:
        return Trial("valid", self.dice.choice(self.pool), amount_fen=self.dice.choice((0, 1, 2000, 2001)))

    def bytes_changed(self) -> Trial:
        code = bytearray(self.dice.choice(self.pool))
        for _ in range(self.dice.choice((1, 1, 2, 5))):
            code[self.dice.randrange(len(code))] = self.dice.randrange(256)
        return Trial("bytes changed", bytes(code))

    def length_lies(self) -> Trial:
        """The bytes that are lengths, and those beside them, by one or by much."""
        code = bytearray(self.dice.choice(self.pool))
        near = [at for at, byte in enumerate(code) if byte in {len(code) - at - 1, 4, 16, 33, 64, 70, 71, 72, code[3]}]
        at = self.dice.choice(near)
        code[at] = (code[at] + self.dice.choice((1, -1, 2, 128, self.dice.randrange(256)))) % 256
        return Trial("a length that lies", bytes(code))

    def spliced(self) -> Trial:
        one, other = self.dice.sample(self.pool, 2)
        at = self.dice.randrange(min(len(one), len(other)))
        return Trial("spliced", one[:at] + other[at:])

    def trailing(self) -> Trial:
        return Trial("trailing", self.dice.choice(self.pool) + self.dice.randbytes(self.dice.randint(1, 300)))

    def noise(self) -> Trial:
        head = self.dice.choice((b"", b"\x02\x01", b"\x54\x01\x02", b"\x81\x01\x49\x24"))
        return Trial("noise", head + self.dice.randbytes(self.dice.randrange(400)))

    def well_signed(self) -> Trial:
        amount = self.dice.choice((0, 2000, 2001))
        code = self.fresh() if self.dice.random() < 0.7 else self.fresh_ministry()
        return Trial("well signed", code, amount)

    def well_signed_past_declarations(self) -> Trial:
        """Contents that the declarations refuse, or odd ones, under signatures that hold."""
        user_id = self.user_id()
        contents = bytearray(self.mint.credential(user_id, NOW, **self.card()).build())
        at = self.dice.choice((*range(61, len(contents)), self.dice.randrange(len(contents))))
        contents[at : at + self.dice.randint(0, 2)] = self.dice.randbytes(self.dice.randint(0, 3))
        held = sign_credential(
            _Signed(bytes(contents[:251])), algorithm=Algorithm.SECP256K1, key_id=0, master=self.mint.master_signer(0)
        )
        code = make_code(held, generated=self.moment(), user=self.mint.user_signer(user_id))
        return Trial("well signed over odd contents", code)

    def pos_param(self) -> Trial:
        text = bytearray(self.dice.choice(_POS_PARAMS))
        for _ in range(self.dice.choice((0, 1, 1, 2, 4))):
            at = self.dice.randrange(len(text))
            text[at : at + self.dice.randint(0, 2)] = self.dice.choice(_JSON_BITS)
        return Trial("pos_param", b"\x02", pos_param=bytes(text).replace(b"\0", b"0"))


class _Signed(Credential):
    """A credential of any bytes."""

    __slots__ = ("contents",)

    def __init__(self, contents: bytes) -> None:
        object.__setattr__(self, "contents", contents)

    def build(self) -> bytes:
        return self.contents


_POS_PARAMS = (
    POS_PARAM,
    '{"pos_id":"é","type":"公交","subject":"\\u00e9\\n","record_id":"1","x":[1,-2.5e+3,{"y":null}],"z":true}'.encode(),
    b' {"pos_id" : "1" ,\t"type":"S","subject":"s","record_id":"1","pos_id":""}\r\n',
)
_JSON_BITS = (
    *(bytes([byte]) for byte in b'{}[],:"\\0123456789.-+eE \t\n\x1f\x7f\x80\xc3\xa9\xff'),
    *(b"", b"\\u", b"\\ud800", b"\\u0031", b"\\x", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"00", b"-"),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\xc0\x80", b"\xe0\x9f\x80"),
    *(b'"type":1,', b'"subject":"",', b"[" * 22, b'{"a":' * 11),
)


def flipped(code: bytes, bit: int) -> bytes:
    changed = bytearray(code)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# --- both sides -------------------------------------------------------------------------------------------------------


@dataclass
class Pair:
    """The library and its twin, with the same keys and the same memory."""

    library: Library
    mint: Mint
    seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.keys = self.mint.keys()
        self.library.set_clock(NOW)
        if self.library.init(self.keys.to_json(), json.dumps(sorted(CARD_TYPES))) != 1:
            raise AssertionError("the library did not take the keys")

    def difference(self, trial: Trial) -> str | None:
        """What the two sides answered, if it is not the same."""
        ours, theirs = self.python(trial), self.library.verify(trial.code, trial.pos_param, trial.amount_fen)
        if ours != theirs:
            return f"verify: Python {ours}, C {theirs}"
        parsed, info = self.parsed(trial.code), self.library.info(trial.code)
        return None if parsed == info else f"info: Python {parsed}, C {info}"

    def python(self, trial: Trial) -> Answer:
        terms = Terms(self.keys, NOW, CARD_TYPES, trial.amount_fen)
        try:
            passage = let_through(trial.code, trial.pos_param, terms, self.seen)
        except CodeRefused as refused:
            return Answer(refused.reason.value)
        return answer(passage.code, passage.record)

    def parsed(self, code: bytes) -> Answer:
        try:
            return answer(parse_code(code), "")
        except CodeRefused as refused:
            return Answer(refused.reason.value)


def answer(code: RideCode, record: str) -> Answer:
    """As it looks in buffers of the least size: a ministry code's long fields do not fit them."""
    card_no, card_data = code.card_no, code.card_data
    if code.format is Format.MINISTRY:
        card_no, card_data = card_no[-16:], card_data if len(card_data) <= 64 else b""
    return Answer(1, code.user_id, record, card_no, card_data, code.shown_card_type)


def run(count: int, seed: int, systematic: int | None = None) -> Counter[str]:
    """Try `count` inputs, at most `systematic` of them cuts and flips.

    Raises:
        AssertionError: the two sides differ; names seed, kind and bytes.

    """
    dice = random.Random(seed)
    mint = Mint(dice.randbytes(32), UPPER_HALF)
    pair, sampler = Pair(Library(BUILD / "libposoffline-test.so"), mint), Sampler(dice, mint)
    tally: Counter[str] = Counter()
    first = islice(sampler.every_cut_and_flip(), systematic)
    for trial in islice(chain(first, sampler.endless()), count):
        difference = pair.difference(trial)
        if difference is not None:
            raise AssertionError(f"seed {seed}, {trial.kind}: {trial.code.hex()} {trial.pos_param!r}: {difference}")
        tally[trial.kind] += 1
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    tally = run(arguments.count, arguments.seed)
    for kind, times in tally.most_common():
        print(f"{times:9,} {kind}")
    print(f"{tally.total():9,} inputs, seed {arguments.seed}: no difference")


if __name__ == "__main__":
    main()
