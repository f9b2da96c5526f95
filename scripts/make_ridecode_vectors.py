"""Write tests/vectors/ridecode.json: ride codes of the three formats, good and bad, with what a gate answers.

    python scripts/make_ridecode_vectors.py

The keys are drawn afresh at every run and thrown away; ids are made up. What each case expects is said here by hand,
never asked of the code under test. Cases of a suite run in order on one gate: a code let through is used up.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tongka.code.issue import SignedCredential, Signer, make_code
from tongka.code.keys import MasterKeys
from tongka.code.layout import OPERATOR_PREFIXES, PLAIN_CARD_TYPE, Algorithm
from tongka.code.record import build_record
from tongka.sandbox.mint import UPPER_HALF, Mint

TARGET = Path(__file__).parents[1] / "tests" / "vectors" / "ridecode.json"
PROVENANCE = (
    "Made by scripts/make_ridecode_vectors.py with keys that were thrown away; ids are made up; expectations are "
    "written by hand after the Alipay transit offline document v0.14, 4.1, JT/T 1179 and docs/ridecode.md."
)

NOW = 1_800_000_000
USER = "2088000000000017"
CARD_TYPE = "T0000001"
CARD_TYPES = json.dumps([PLAIN_CARD_TYPE, CARD_TYPE])
POS = {"pos_id": "sh001", "type": "SINGLE", "subject": "bus192", "record_id": "000001"}
POS_PARAM = json.dumps(POS)
SDK_VERSION = b"tongka-1.0.0"

N_SECP256K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
N_SECP192K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call of verify_qrcode_v2; the last four are the answer of a success."""

    name: str
    code: str
    result: int
    now: int = NOW
    amount_fen: int = 0
    record_room: int = 2048
    pos_param: str = POS_PARAM
    uid: str = ""
    card_no: str = ""
    card_data: str = ""
    card_type: str = ""


mint = Mint(os.urandom(32), UPPER_HALF)


def fresh(**changes: Any) -> bytes:
    """A code of its own: every call has another generation time within what passes at NOW."""
    generated = changes.pop("generated", None) or next(_moments)
    key_id, prefix = changes.pop("key_id", 0), changes.pop("prefix", b"")
    return mint.code(mint.credential(USER, NOW, **changes), generated, key_id=key_id, prefix=prefix)


def ministry(**changes: Any) -> bytes:
    changes.setdefault("generated", next(_moments))
    return mint.ministry_code(USER, **changes)


_moments = iter(range(NOW - 400, NOW))


def good(name: str, code: bytes, **more: Any) -> Case:
    return Case(name=name, code=code.hex(), result=1, uid=USER, **more)


def bad(name: str, code: bytes, result: int, **more: Any) -> Case:
    return Case(name=name, code=code.hex(), result=result, **more)


def other_sign(signature: bytes, order: int) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, order - s)


# --- what holds -------------------------------------------------------------------------------------------------------


def formats() -> Iterator[Case]:
    yield good("an Alipay code", fresh())
    yield good("an Alipay code whose master key signs with SM2", fresh(key_id=31))
    yield good("an operator's code behind 5401", fresh(prefix=OPERATOR_PREFIXES[0]))
    yield good("an operator's code behind 5402, SM2", fresh(prefix=OPERATOR_PREFIXES[1], key_id=16))
    card = {"card_type": CARD_TYPE, "card_no": "8" * 16, "card_data": bytes(range(64))}
    yield good("a virtual card, number and data as long as may be", fresh(**card), **shown(card))
    short = {"card_type": CARD_TYPE, "card_no": "1", "card_data": b"\0"}
    yield good("a virtual card, number and data of one byte", fresh(**short), **shown(short))
    yield good("a ministry code without custom data", ministry(), card_no="0" * 16)
    account = bytes.fromhex("0000" + "3105840012345678")
    custom = {"card_no": "3105840012345678", "card_data": "a1b2"}
    yield good("a ministry code with custom data", ministry(card_account=account, custom=b"\xa1\xb2"), **custom)
    padded = bytes.fromhex("3105840012345678901F")
    yield good(
        "a card account of 19 digits in the least buffer", ministry(card_account=padded), card_no="5840012345678901"
    )
    yield good("custom data longer than the least buffer", ministry(custom=bytes(255)), card_no="0" * 16)


def shown(card: dict[str, Any]) -> dict[str, str]:
    return {"card_type": card["card_type"], "card_no": card["card_no"], "card_data": card["card_data"].hex()}


def boundaries() -> Iterator[Case]:
    yield good("validity ends this second", fresh(generated=NOW - 600, valid_s=600))
    yield bad("validity ended a second ago", fresh(generated=NOW - 601, valid_s=600), -2)
    yield good("twenty seconds from the future", fresh(generated=NOW + 20))
    yield bad("twenty-one seconds from the future", fresh(generated=NOW + 21), -2)
    yield good("authorisation ends this second", fresh(expires_at=NOW))
    yield bad("authorisation ended a second ago", fresh(expires_at=NOW - 1), -3)
    yield good("an amount of the limit", fresh(limit_fen=300), amount_fen=300)
    yield bad("an amount above the limit", fresh(limit_fen=300), -5, amount_fen=301)
    yield good("no amount, no limit", fresh(limit_fen=0))
    yield bad("a card type not taken here", fresh(card_type="T0000002"), -8)
    yield bad("a master key not in the list", byte_at(fresh(), 2, 200), -3)
    yield good("validity of 65535 s", fresh(generated=NOW - 65535, valid_s=65535))
    yield good(
        "the last second that four bytes hold", fresh(generated=0xFFFFFFFF, expires_at=0xFFFFFFFF), now=0xFFFFFFFF
    )
    yield bad("a ministry code too old", ministry(generated=NOW - 601), -2)
    yield bad("a ministry code from the future", ministry(generated=NOW + 21), -2)
    yield bad("a ministry authorisation that ended", ministry(expires_at=NOW - 1), -3)
    yield bad("a ministry limit exceeded", ministry(limit_fen=0x010000), -5, amount_fen=0x010001)
    yield good("a ministry limit above two bytes", ministry(limit_fen=0x010000), amount_fen=0x010000, card_no="0" * 16)


def certificates() -> Iterator[Case]:
    """NOW is 2027-01-15 in Asia/Shanghai."""
    january, december = (mint.certificate(expires=bytes.fromhex(text)) for text in ("0127", "1226"))
    last = 1_801_411_199  # 2027-01-31 23:59:59 +08:00
    yield good("a certificate's last month", ministry(certificate=january), card_no="0" * 16)
    yield bad("a certificate that ended last month", ministry(certificate=december), -3)
    yield good("a certificate's last second", ministry(certificate=january, generated=last), now=last, card_no="0" * 16)
    yield bad("the second after", ministry(certificate=january, generated=last), -3, now=last + 1)
    yield bad("an expiry of month 13", ministry(certificate=mint.certificate(expires=bytes.fromhex("1327"))), -1)
    yield bad("an expiry that is not BCD", ministry(certificate=mint.certificate(expires=bytes.fromhex("0A27"))), -1)
    yield bad("a CA that is not in the list", ministry(certificate=mint.certificate(ca_index=9)), -3)
    yield bad("another signature algorithm", ministry(certificate=mint.certificate(sign_algorithm=1)), -11)
    other = Mint(os.urandom(32))
    yield bad("another CA's certificate", ministry(certificate=other.certificate()), -1)
    yield bad("another mint's ministry code", other.ministry_code(USER, NOW), -1)


# --- what does not ----------------------------------------------------------------------------------------------------


def byte_at(code: bytes, at: int, value: int) -> bytes:
    return code[:at] + bytes([value]) + code[at + 1 :]


def broken() -> Iterator[Case]:
    code = fresh()
    yield bad("nothing", b"", -1)
    yield bad("another version", byte_at(code, 0, 3), -11)
    yield bad("version 1", byte_at(code, 0, 1), -11)
    yield bad("an unknown algorithm", byte_at(code, 1, 3), -11)
    yield bad("algorithm 0", byte_at(code, 1, 0), -11)
    yield bad("algorithm 2 over a secp256k1 signature", byte_at(code, 1, 2), -1)
    yield bad("an unknown byte behind 54", b"\x54\x03" + code, -11)
    yield bad("a bare 54", b"\x54", -1)
    yield bad("a bare prefix", b"\x54\x01", -1)
    yield bad("a prefix before another version", b"\x54\x01" + byte_at(code, 0, 3), -11)
    yield bad("two prefixes", b"\x54\x01\x54\x01" + code, -11)
    yield bad("a byte too many", code + b"\0", -1)
    yield bad("a byte too few", code[:-1], -1)
    yield bad("a credential length one too long", byte_at(code, 3, code[3] + 1), -1)
    yield bad("a credential length one too short", byte_at(code, 3, code[3] - 1), -1)
    yield bad("another key of the list", byte_at(code, 2, 1), -1)
    yield bad("text after the code", code + b"\r\n", -1)
    yield bad("a control character in the user id", replaced(code, USER.encode(), USER[:-1].encode() + b"\n"), -1)
    yield bad("a ministry length that lies", byte_at(ministry(), 2, 0), -1)
    yield bad("a ministry code with bytes behind", ministry() + b"\0", -1)


def replaced(code: bytes, old: bytes, new: bytes) -> bytes:
    return code.replace(old, new, 1)


def long_fields() -> Iterator[Case]:
    """Correctly signed, but longer than the formats allow: built past the declarations, which refuse them."""
    for name, tail in (("number", b"\x11" + b"9" * 17 + b"\0"), ("data", b"\0" + b"\x41" + bytes(65))):
        yield bad(f"a card {name} one byte too long, well signed", signed_over(tail), -1)


def signed_over(tail: bytes) -> bytes:
    """A code whose credential ends with `tail` in place of card number and data."""
    return signed_by_hand(mint.credential(USER, NOW).build()[:-2] + tail, mint.master_signer(0))


def signed_by_hand(contents: bytes, master: Signer) -> bytes:
    held = SignedCredential(Algorithm.SECP256K1, 0, contents, master(contents))
    return make_code(held, generated=next(_moments), user=mint.user_signer(USER))


def malleable() -> Iterator[Case]:
    """(r, n-s) makes other bytes of the same code."""
    code = fresh()
    length = code[-1 - len_of_last(code)]
    twin = code[:-length]
    twisted = other_sign(code[-length:], N_SECP192K1)
    same = twin[:-1] + bytes([len(twisted)]) + twisted
    yield good("the user's signature with the other sign of s", same)
    yield bad("and then the code as it was made", code, -12)
    yield bad("the same behind a prefix", OPERATOR_PREFIXES[0] + code, -12)
    high = signed_by_hand(mint.credential(USER, NOW).build(), high_master)
    yield good("the master signature with the other sign of s", high)


def len_of_last(code: bytes) -> int:
    """The length of the user's DER signature at the end."""
    at = 4 + code[3]
    at += 1 + code[at]
    return code[at + 5]


def high_master(message: bytes) -> bytes:
    """A master signature with the higher s."""
    return other_sign(mint.master_signer(0)(message), N_SECP256K1)


def repeats() -> Iterator[Case]:
    for name, code, more in (
        ("Alipay", fresh(), {}),
        ("operator", fresh(prefix=OPERATOR_PREFIXES[0]), {}),
        ("ministry", ministry(), {"card_no": "0" * 16}),
    ):
        yield bad(f"{name}: a refusal for the amount", code, -5, amount_fen=60_000)
        yield bad(f"{name}: a record buffer too small", code, -10, record_room=2047)
        yield good(f"{name}: uses nothing up", code, **more)
        yield bad(f"{name}: shown again", code, -12)
    long = json.dumps({**POS, "subject": "x" * (1024 - len(POS_PARAM) + len("bus192"))})
    code = fresh()
    yield bad("a record longer than the least buffer", code, -10, pos_param=long)
    yield good("and with a larger one", code, pos_param=long, record_room=4096)


def pos_params() -> Iterator[Case]:
    code = fresh()
    texts = {
        "no JSON": "pos",
        "an empty text": "",
        "a list": "[]",
        "an object with nothing": "{}",
        "a number for record_id": json.dumps({**POS, "record_id": 1}),
        "an empty type": json.dumps({**POS, "type": ""}),
        "text behind": POS_PARAM + "x",
        "NaN": POS_PARAM[:-1] + ',"a":NaN}',
        "a comma too many": POS_PARAM[:-1] + ",}",
        "single quotes": POS_PARAM.replace('"', "'"),
        "a control character": POS_PARAM.replace("bus", "b\tus"),
        "nesting of 33": POS_PARAM[:-1] + ',"a":' + "[" * 32 + "]" * 32 + "}",
        "1025 bytes": json.dumps({**POS, "subject": "x" * (1025 - len(POS_PARAM) + len("bus192"))}),
    }
    for name in POS:
        texts[f"without {name}"] = json.dumps({key: text for key, text in POS.items() if key != name})
    for name, text in texts.items():
        yield bad(f"pos_param: {name}", code, -4, pos_param=text)
    yield good("pos_param: more members, escapes, nesting of 32, blanks", code, pos_param=rich_pos_param())


def rich_pos_param() -> str:
    more = ',"n":[-1.5e+3,0,true,false,null,"\\u00e9\\ud83d\\ude00 公交"],"deep":' + "[" * 31 + "]" * 31
    return " \n" + POS_PARAM.replace("pos_id", "pos\\u005fid")[:-1] + more + "}\t"


SECTIONS: tuple[Callable[[], Iterator[Case]], ...] = (
    formats, boundaries, certificates, broken, long_fields, malleable, repeats, pos_params,
)  # fmt: skip


def no_ministry() -> Iterator[Case]:
    yield good("an Alipay code", fresh())
    yield bad("a ministry code", ministry(), -11)
    yield bad("a truncated ministry code", ministry()[:7], -11)


def inits(keys: MasterKeys) -> list[dict[str, Any]]:
    entries = keys.to_list()
    good_key = entries[0]["public_key"]
    lists: dict[str, Any] = {
        "an empty list": [],
        "an object": {},
        "a number as entry": [1],
        "no key_id": [{"public_key": good_key}],
        "a key_id of 256": [{"key_id": 256, "public_key": good_key}],
        "a key_id of -1": [{"key_id": -1, "public_key": good_key}],
        "a key_id as text": [{"key_id": "0", "public_key": good_key}],
        "a key_id of 1.0": [{"key_id": 1.0, "public_key": good_key}],
        "a key_id twice": [entries[0], entries[0]],
        "no key": [{"key_id": 0}],
        "a key as number": [{"key_id": 0, "public_key": 2}],
        "a short key": [{"key_id": 0, "public_key": good_key[:-2]}],
        "a key that is not hex": [{"key_id": 0, "public_key": good_key[:-1] + "g"}],
        "x above both primes": [{"key_id": 0, "public_key": "02" + "F" * 64}],
        "x of zero": [{"key_id": 0, "public_key": "02" + "0" * 64}],
        "x on neither curve": [{"key_id": 0, "public_key": "02" + "5".rjust(64, "0")}],
        "an unknown form of point": [{"key_id": 0, "public_key": "05" + good_key[2:]}],
        "a ministry key that is not on SM2": [{**entries[0], "proto": "MOT", "public_key": "02" + "2".rjust(64, "0")}],
        "only an unknown protocol": [{**entries[0], "proto": "OTHER"}],
    }
    cases = [{"name": name, "key_list": json.dumps(value), "result": -10} for name, value in lists.items()]
    cases += [
        {"name": "text that is no JSON", "key_list": "keys", "result": -10},
        {"name": "an unknown protocol is passed over",
         "key_list": json.dumps([entries[0], {"proto": "OTHER", "key_id": 0}]), "result": 1},
        {"name": "only a ministry CA", "key_list": json.dumps(entries[-1:]), "result": 1},
        {"name": "lower case", "key_list": json.dumps(entries).lower().replace('"mot"', '"MOT"'), "result": 1},
    ]  # fmt: skip
    types = {"an empty list": "[]", "no JSON": "ANT00001", "a number": "[1]", "seven characters": '["ANT0001"]'}
    cases += [
        {"name": f"card types: {name}", "key_list": keys.to_json(), "card_types": text, "result": -10}
        for name, text in types.items()
    ]
    return [{"card_types": CARD_TYPES, **case} for case in cases]


def suite(name: str, keys: MasterKeys, sections: tuple[Callable[[], Iterator[Case]], ...]) -> dict[str, Any]:
    cases = [asdict(case) for section in sections for case in section()]
    return {"name": name, "key_list": keys.to_json(), "card_types": CARD_TYPES, "cases": cases}


def one_record() -> dict[str, Any]:
    code = fresh()
    build = partial(build_record, code=code, user_id=USER, pos_param=POS_PARAM.encode(), at=NOW)
    return {
        "code": code.hex(),
        "pos_param": POS_PARAM,
        "at": NOW,
        "uid": USER,
        "record": build(sdk_version=SDK_VERSION),
    }


def main() -> None:
    keys = mint.keys()
    document = {
        "provenance": PROVENANCE,
        "init": inits(keys),
        "suites": [
            suite("all keys", keys, SECTIONS),
            suite("no ministry CA", replace(keys, authorities={}), (no_ministry,)),
        ],
        "record": one_record(),
    }
    TARGET.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
