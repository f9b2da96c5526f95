"""SCP02 and SCP03 against published sessions; a channel that is kept, resumed, tampered with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card.apdu import Command, Response
from tongka.card.secure_channel import (
    COMMANDS_ENCRYPTED,
    WRAPPED_DATA_MAX,
    Channel,
    InitializeUpdateAnswer,
    SecurityLevel,
    StaticKeys,
    initialize_update,
    open_channel,
    scp03,
)
from tongka.card.secure_channel.channel import PROTOCOLS
from tongka.card.secure_channel.protocol import SessionKeys
from tongka.card.secure_channel.scp02 import SCP02
from tongka.errors import CardError, MacWrong, Malformed, Unsupported

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "secure_channel.json").read_bytes())
SESSIONS = [pytest.param(session, id=session["name"]) for session in VECTORS["sessions"]]
FIRST = {scp: next(s for s in VECTORS["sessions"] if s["name"].startswith(scp)) for scp in ("scp02", "scp03")}


def opened(session) -> tuple[Channel, Command]:
    level = SecurityLevel(Command.from_hex(session["external_authenticate"]).p1)
    host_challenge = Command.from_hex(session["initialize_update"]).data
    return open_channel(StaticKeys.from_json(session["keys"]), host_challenge, bytes.fromhex(session["answer"]), level)


@pytest.mark.parametrize("session", SESSIONS)
def test_initialize_update_is_as_published(session):
    published = Command.from_hex(session["initialize_update"])
    assert initialize_update(published.p1, published.data) == published


@pytest.mark.parametrize("session", SESSIONS)
def test_the_session_keys_and_the_host_cryptogram_are_as_published(session):
    channel, external_authenticate = opened(session)
    assert external_authenticate.hex == session["external_authenticate"]
    assert channel.keys.to_json().items() >= session.get("session_keys", {}).items()


@pytest.mark.parametrize("session", SESSIONS)
def test_every_command_is_wrapped_and_every_answer_unwrapped_as_published(session):
    channel, _ = opened(session)
    for step in session["commands"]:
        channel, wrapped = channel.wrap(Command.from_hex(step["plain"]))
        assert wrapped.hex == step["wrapped"]
        if "answer" in step:
            assert channel.unwrap(Response.parse(bytes.fromhex(step["answer"]))).hex == step["answer_plain"]


@pytest.mark.parametrize("session", SESSIONS)
def test_a_channel_that_is_kept_as_json_goes_on_where_it_stood(session):
    channel, _ = opened(session)
    for step in session["commands"]:
        kept = json.dumps(channel.to_json())
        channel, wrapped = Channel.from_json(json.loads(kept)).wrap(Command.from_hex(step["plain"]))
        assert wrapped.hex == step["wrapped"]


@pytest.mark.parametrize("session", [s for s in VECTORS["sessions"] if "encrypted_keys" in s], ids=lambda s: s["name"])
def test_keys_are_encrypted_as_published(session):
    channel, _ = opened(session)
    for row in session["encrypted_keys"]:
        key, encrypted = bytes.fromhex(row["key"]), bytes.fromhex(row["encrypted"])
        assert channel.encrypt_key(key) == encrypted
        assert channel.protocol.decrypt_key(channel.keys.dek, encrypted) == key


@pytest.mark.parametrize("row", VECTORS["pseudo_random_challenges"], ids=lambda row: row["sequence"])
def test_a_cards_pseudo_random_challenge_is_as_published(row):
    key, sequence, aid = (bytes.fromhex(row[name]) for name in ("enc", "sequence", "aid"))
    assert scp03.pseudo_random_challenge(StaticKeys(key, key, key), sequence, aid).hex().upper() == row["challenge"]


@pytest.mark.parametrize(("scp", "covered"), [("scp02", range(12, 28)), ("scp03", range(13, 29))])
def test_an_answer_with_any_bit_of_its_challenge_or_cryptogram_flipped_is_refused(scp, covered):
    session = FIRST[scp]
    answer, keys = bytes.fromhex(session["answer"]), StaticKeys.from_json(session["keys"])
    challenge = Command.from_hex(session["initialize_update"]).data
    for at in covered:
        for bit in range(8):
            tampered = answer[:at] + bytes((answer[at] ^ 1 << bit,)) + answer[at + 1 :]
            with pytest.raises(MacWrong):
                open_channel(keys, challenge, tampered)


@pytest.mark.parametrize("length", [0, 27, 30, 31, 33])
def test_an_answer_of_another_length_is_refused(length):
    with pytest.raises(CardError):
        InitializeUpdateAnswer.parse(bytes(length))


@pytest.mark.parametrize(("number", "length"), [(1, 28), (2, 29), (2, 32), (3, 28), (0x11, 29)])
def test_other_protocols_are_refused(number, length):
    with pytest.raises(Unsupported):
        InitializeUpdateAnswer.parse(bytes(11) + bytes((number,)) + bytes(length - 12))


def test_answers_cannot_be_protected_over_scp02():
    session = FIRST["scp02"]
    answer, challenge = bytes.fromhex(session["answer"]), Command.from_hex(session["initialize_update"]).data
    with pytest.raises(Unsupported, match="R-MAC"):
        open_channel(StaticKeys.from_json(session["keys"]), challenge, answer, SecurityLevel(0x13))


def test_an_answer_whose_mac_is_wrong_or_missing_is_refused():
    session = next(s for s in VECTORS["sessions"] if s["name"] == "scp03, everything protected")
    channel, _ = opened(session)
    channel, _ = channel.wrap(Command.from_hex(session["commands"][0]["plain"]))
    good = Response.parse(bytes.fromhex(session["commands"][0]["answer"]))
    for wrong in (good._replace(data=good.data[:-1] + b"\0"), good._replace(data=b""), good._replace(sw=0x6283)):
        with pytest.raises(MacWrong):
            channel.unwrap(wrong)
    assert channel.unwrap(Response(b"", 0x6A88)) == Response(b"", 0x6A88)


def channel_of(number: int) -> Channel:
    protocol = PROTOCOLS[number]
    keys = SessionKeys(*(bytes(range(n, n + 16)) for n in (0, 16, 32, 48)))
    return Channel(protocol, COMMANDS_ENCRYPTED, keys, protocol.first_chain)


@given(st.sampled_from([*PROTOCOLS]), st.binary(max_size=WRAPPED_DATA_MAX), st.integers(0, 100))
def test_whatever_fits_is_encrypted_and_has_its_mac(number, data, commands):
    channel = replace(channel_of(number), commands=commands)
    after, wrapped = channel.wrap(Command(0x80, 0xE2, 0x00, 0x00, data))
    body, mac = wrapped.data[:-8], wrapped.data[-8:]
    plain = channel.protocol.decrypt(channel.keys.enc, commands + 1, body) if body else b""
    assert plain == data
    assert (wrapped.cla, after.commands, after.chain[:8]) == (0x84, commands + 1, mac)


@pytest.mark.parametrize("number", PROTOCOLS)
def test_what_does_not_fit_is_refused(number):
    with pytest.raises(Malformed, match="239"):
        channel_of(number).wrap(Command(0x80, 0xE2, 0x00, 0x00, bytes(255)))


@pytest.mark.parametrize("number", PROTOCOLS)
def test_the_same_command_is_never_sent_twice_alike(number):
    _, (first, second) = channel_of(number).wrap_all([Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00")] * 2)
    assert first != second


@pytest.mark.parametrize("number", PROTOCOLS)
def test_encrypted_data_without_padding_is_refused(number):
    protocol, key = PROTOCOLS[number], bytes(16)
    with pytest.raises(Malformed, match="80 00"):
        protocol.decrypt(key, 1, protocol.encrypt(key, 1, bytes(16))[:-16] if protocol is not SCP02 else bytes(16))


@pytest.mark.parametrize(
    "broken",
    [{"scp": 1}, {"chain": "0"}, {"keys": None}, {"keys": {"enc": "00"}}, {"commands": "many"}, {"level": None}],
    ids=str,
)
def test_what_is_no_kept_channel_is_refused(broken):
    with pytest.raises(Malformed):
        Channel.from_json(channel_of(3).to_json() | broken)


def test_keys_are_not_shown():
    keys = StaticKeys(b"A" * 16, b"B" * 16, b"C" * 16)
    assert repr(keys) == "StaticKeys(…)"
    assert "keys=SessionKeys(…)" in repr(channel_of(3))
