"""The library's interface: what terminals compile against, link to and rely on."""

import ctypes
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from posoffline import (
    MINIMA,
    Answer,
    InfoRequest,
    InfoResponse,
    Library,
    VerifyRequest,
    VerifyResponse,
)

from tongka.code.gate import SDK_VERSION
from tongka.code.layout import OPERATOR_PREFIXES
from tongka.code.reasons import Reason
from tongka.code.record import parse_record
from tongka.code.verify import Terms, verify_record
from tongka.sandbox.mint import CA_INDEX, Mint

NOW = 1_800_000_000
USER = "2088000000000017"
POS = {"pos_id": "sh001", "type": "SINGLE", "subject": "bus192", "record_id": "000001"}
POS_PARAM = json.dumps(POS).encode()
HEADER = Path(__file__).parents[2] / "sdk" / "posoffline" / "pos_crypto.h"

moments: Iterator[int] = iter(range(NOW - 590, NOW))


@pytest.fixture
def code(mint: Mint) -> bytes:
    """A code that was never shown."""
    return mint.code(mint.credential(USER, NOW), next(moments))


def test_exactly_the_documents_functions_are_exported(built: Path) -> None:
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", built / "libposoffline.so"], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in symbols.splitlines()}
    assert names == {"init_pos_verify", "verify_qrcode_v2", "get_qrcode_info", "get_key_id", "get_version"}


def test_it_needs_the_two_crypto_libraries_and_libc_only(built: Path) -> None:
    dynamic = subprocess.run(
        ["readelf", "-d", built / "libposoffline.so"], capture_output=True, text=True, check=True
    ).stdout
    needed = {name.split(".so")[0] for name in re.findall(r"NEEDED.*\[(.*)\]", dynamic)}
    assert needed == {"libsecp256k1", "libcrypto", "libc"}


def test_the_header_has_the_documents_numbers() -> None:
    printed = dict(re.findall(r"^    ([A-Z_]+) = (-?\d+)", HEADER.read_text(encoding="utf-8"), re.MULTILINE))
    assert {reason.name: str(reason.value) for reason in Reason}.items() <= printed.items()
    assert printed["SUCCESS"] == "1"
    assert {f"POS_{name.upper()}_MIN": str(size) for name, size in MINIMA.items()}.items() <= printed.items()


def test_the_version_is_the_one_that_python_writes(library: Library) -> None:
    assert library.version().encode() == SDK_VERSION


def test_the_demo_verifies_with_the_release_build_and_the_real_clock(built: Path, mint: Mint, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(mint.keys().to_json(), encoding="utf-8")
    (tmp_path / "types.json").write_text('["ANT00001"]', encoding="utf-8")
    now = int(time.time())
    code = mint.code(mint.credential(USER, now), now)
    done = subprocess.run(
        [built / "demo", tmp_path / "keys.json", tmp_path / "types.json", code.hex(), "200"],
        capture_output=True,
        text=True,
        check=True,
    )
    record = parse_record(re.search(r"^record (\w+)$", done.stdout, re.MULTILINE)[1])
    assert verify_record(record, Terms(mint.keys(), now + 60), user_id=USER).user_id == USER
    assert f"uid {USER}" in done.stdout


# --- initialisation ---------------------------------------------------------------------------------------------------


def test_nothing_is_verified_before_the_first_initialisation(replay: Callable[[list[str]], list[str]]) -> None:
    pos = POS_PARAM.hex()
    assert replay([f"verify {NOW} 0 2048 {pos}. 02.", "info 02.", "init 5b5d. 5b5d.", "info 02."]) == [
        "-9", "-9", "-10", "-9",
    ]  # fmt: skip


def test_a_refused_initialisation_changes_nothing(library: Library, mint: Mint, code: bytes) -> None:
    keys = mint.keys().to_json()
    for key_list, card_types in ((None, "[]"), (keys, None), ("[]", '["ANT00001"]'), (keys, "[]"), ("{", "[")):
        assert library.init(key_list, card_types) == Reason.ILLEGAL_PARAM
    assert library.verify(code, POS_PARAM).result == 1


def test_initialising_again_changes_keys_and_types_and_keeps_what_was_seen(
    library: Library, mint: Mint, code: bytes
) -> None:
    later = mint.code(mint.credential(USER, NOW), next(moments))
    assert library.verify(code, POS_PARAM).result == 1
    other = Mint(b"other".ljust(32))
    assert library.init(other.keys().to_json(), '["ANT00001"]') == 1
    assert library.verify(later, POS_PARAM).result == Reason.MALFORMED_QRCODE
    assert library.init(mint.keys().to_json(), '["T0000001"]') == 1
    assert library.verify(later, POS_PARAM).result == Reason.CARDTYPE_UNSUPPORTED
    assert library.init(mint.keys().to_json(), '["ANT00001"]') == 1
    assert library.verify(code, POS_PARAM).result == Reason.QRCODE_DUPLICATED
    assert library.verify(later, POS_PARAM).result == 1


def test_a_withdrawn_key_ends_remembered_credentials_too(library: Library, mint: Mint, code: bytes) -> None:
    later = mint.code(mint.credential(USER, NOW), next(moments))
    assert library.verify(code, POS_PARAM).result == 1
    keys = mint.keys()
    fewer = {key_id: key for key_id, key in keys.masters.items() if key_id != 0}
    assert library.init(replace(keys, masters=fewer).to_json(), '["ANT00001"]') == 1
    assert library.verify(later, POS_PARAM).result == Reason.QRCODE_KEY_EXPIRED


def test_a_remembered_credential_does_not_excuse_another_master_signature(library: Library, mint: Mint) -> None:
    """The credential was verified before; a code that carries it behind a bad signature is refused all the same."""
    credential = mint.credential(USER, NOW)
    assert library.verify(mint.code(credential, next(moments)), POS_PARAM).result == 1
    code = bytearray(mint.code(credential, next(moments)))
    code[4 + code[3] + 20] ^= 1
    assert library.verify(bytes(code), POS_PARAM).result == Reason.MALFORMED_QRCODE


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MINIMA))
def test_a_buffer_below_its_minimum_is_an_illegal_parameter(library: Library, code: bytes, name: str) -> None:
    assert library.verify(code, POS_PARAM, **{name: MINIMA[name] - 1}).result == Reason.ILLEGAL_PARAM
    assert library.verify(code, POS_PARAM, **{name: 0}).result == Reason.ILLEGAL_PARAM
    if name != "record":
        assert library.info(code, **{name: MINIMA[name] - 1}).result == Reason.ILLEGAL_PARAM
    assert library.verify(code, POS_PARAM).result == 1


def test_a_negative_amount_is_an_illegal_parameter(library: Library, code: bytes) -> None:
    assert library.verify(code, POS_PARAM, -1).result == Reason.ILLEGAL_PARAM
    assert library.verify(code, POS_PARAM, 0).result == 1


def test_null_anywhere_is_an_illegal_parameter(library: Library, code: bytes) -> None:
    verify = library.c.verify_qrcode_v2
    request = VerifyRequest(code, len(code), POS_PARAM, 0)
    response, _buffers = library._response(VerifyResponse, MINIMA)
    assert verify(None, response) == verify(request, None) == Reason.ILLEGAL_PARAM
    assert verify(VerifyRequest(None, len(code), POS_PARAM, 0), response) == Reason.ILLEGAL_PARAM
    assert verify(VerifyRequest(code, -1, POS_PARAM, 0), response) == Reason.ILLEGAL_PARAM
    assert verify(VerifyRequest(code, len(code), None, 0), response) == Reason.ILLEGAL_PARAM
    for name in MINIMA:
        kept = getattr(response, name)
        setattr(response, name, None)
        assert verify(request, response) == Reason.ILLEGAL_PARAM
        setattr(response, name, kept)
    assert verify(request, response) == 1


def test_null_is_an_illegal_parameter_of_the_other_functions(library: Library, code: bytes) -> None:
    info = library.c.get_qrcode_info
    sizes = {name: size for name, size in MINIMA.items() if name != "record"}
    response, _buffers = library._response(InfoResponse, sizes)
    request = InfoRequest(code, len(code))
    assert info(None, response) == info(request, None) == info(InfoRequest(None, 1), response) == -10
    assert library.key_id(None) == Reason.ILLEGAL_PARAM


def test_the_structs_have_the_documents_members_in_its_order() -> None:
    assert ctypes.sizeof(VerifyRequest) == 32
    assert [name for name, _ in VerifyResponse._fields_][::2] == ["uid", "record", "card_no", "card_data", "card_type"]
    assert [name for name, _ in InfoResponse._fields_][::2] == ["uid", "card_no", "card_data", "card_type"]


# --- the other functions ----------------------------------------------------------------------------------------------


def test_info_reads_codes_of_unknown_keys_long_expired_and_shown_before(library: Library) -> None:
    stranger = Mint(b"stranger".ljust(32))
    old = NOW - 10 * 365 * 86400
    card = {"card_type": "X9999999", "card_no": "12", "card_data": b"\0\1"}
    code = stranger.code(stranger.credential(USER, old, **card), old)
    want = Answer(1, uid=USER, card_no="12", card_data=b"\0\1", card_type="X9999999")
    assert library.info(code) == library.info(code) == want


def test_info_uses_nothing_up(library: Library, code: bytes) -> None:
    assert library.info(code).result == 1
    assert library.verify(code, POS_PARAM).result == 1


def test_info_needs_no_ca_for_a_ministry_code(library: Library, mint: Mint) -> None:
    assert library.init(replace(mint.keys(), authorities={}).to_json(), '["ANT00001"]') == 1
    assert library.info(mint.ministry_code(USER, NOW)).uid == USER


def test_larger_buffers_get_a_ministry_codes_long_fields_whole(library: Library, mint: Mint) -> None:
    code = mint.ministry_code(
        USER, next(moments), custom=bytes(range(200)), card_account=bytes.fromhex("31058400123456789012")
    )
    assert library.info(code).card_no == "8400123456789012"
    assert library.info(code).card_data == b""
    whole = library.verify(code, POS_PARAM, card_no=21, card_data=201)
    assert (whole.card_no, whole.card_data) == ("31058400123456789012", bytes(range(200)))


def test_key_ids_are_read_behind_prefixes_and_from_certificates(library: Library, mint: Mint) -> None:
    credential = mint.credential(USER, NOW)
    for key_id in (0, 7, 31):
        assert library.key_id(mint.code(credential, NOW, key_id=key_id)) == key_id
        for prefix in OPERATOR_PREFIXES:
            assert library.key_id(mint.code(credential, NOW, key_id=key_id, prefix=prefix)) == key_id
    assert library.key_id(mint.ministry_code(USER, NOW)) == CA_INDEX
    assert library.key_id(b"\x01\x01\x01\x01\x01") == Reason.PROTO_UNSUPPORTED
