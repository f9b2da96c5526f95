"""Challenges, the PIN, and the commands under secure messaging."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from tongka.card.apdu import LE_MAX, StatusWord
from tongka.card.commands import CommandKind, FileRef, secured_part
from tongka.card.files import File15
from tongka.crypto.pboc import MAC_LEN
from tongka.errors import Malformed
from tongka.sandbox.card.image import CardImage, Pin
from tongka.sandbox.card.state import Context, Handler, Outcome, Refusal, answer

CHALLENGE_LENGTHS = (4, 8)


def get_challenge(ctx: Context) -> Outcome:
    length = ctx.command.le if ctx.command.le not in (None, LE_MAX) else CHALLENGE_LENGTHS[0]
    if length not in CHALLENGE_LENGTHS:
        raise Refusal(StatusWord.WRONG_LENGTH)
    ctx.session.challenge = ctx.random(length)
    return answer(ctx.session.challenge)


# --- PIN --------------------------------------------------------------------------------------------------------------


def verify(ctx: Context) -> Outcome:
    """A try is written off before the PIN is compared, so that cutting the power wins nothing."""
    pin = ctx.image.pin
    if pin is None:
        raise Refusal(StatusWord.REFERENCE_NOT_FOUND)
    ctx.session.pin_verified = False
    if pin.tries_left == 0:
        raise Refusal(StatusWord.PIN_LOCKED)
    spent = partial(_tries, left=pin.tries_left - 1)
    if not hmac.compare_digest(pin.bytes, ctx.command.data):
        raise Refusal(StatusWord.TRIES_LEFT | pin.tries_left - 1, spent)
    ctx.session.pin_verified = True
    return answer(b"", spent, partial(_tries, left=pin.tries_max))


def _tries(image: CardImage, *, left: int) -> CardImage:
    pin = image.pin
    return image if pin is None else replace(image, pin=Pin(pin.digits, left, pin.tries_max))


# --- secure messaging -------------------------------------------------------------------------------------------------


def _require_secured(ctx: Context) -> bytes:
    """Check the MAC over the challenge, which is used up; gives the data without the MAC."""
    if ctx.session.aid is None:
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)
    if len(ctx.command.data) < MAC_LEN:
        raise Refusal(StatusWord.SECURE_MESSAGE_MISSING)
    challenge = ctx.session.take_challenge()
    if not challenge:
        raise Refusal(StatusWord.NO_CHALLENGE)
    covered, mac = secured_part(ctx.command)
    expected = ctx.image.suite.secure_mac(ctx.image.keys.maintain, challenge, covered)
    if not hmac.compare_digest(mac, expected):
        raise Refusal(StatusWord.SECURE_MESSAGE_MAC)
    return ctx.command.data[:-MAC_LEN]


def update_binary_mac(ctx: Context) -> Outcome:
    data = _require_secured(ctx)
    ref = FileRef.of_binary(ctx.command)
    fid = ref.fid or ctx.session.current_file
    if fid is None:
        raise Refusal(StatusWord.NO_CURRENT_FILE)
    content = _overwritten(ctx.image, fid, ref.offset, data)
    return answer(b"", lambda image: image.with_file(fid, content))


def _overwritten(image: CardImage, fid: str, offset: int, data: bytes) -> bytes:
    old = image.files.get(fid)
    if old is None:
        raise Refusal(StatusWord.FILE_NOT_FOUND)
    if not data or offset + len(data) > len(old):
        raise Refusal(StatusWord.WRONG_OFFSET)
    content = old[:offset] + data + old[offset + len(data) :]
    if fid == File15.NAME:
        _check_file15(image, content)
    return content


def _check_file15(image: CardImage, content: bytes) -> None:
    """Stricter than a card: a file 0015 that names no card, or another card, could not be kept as an image."""
    try:
        same = File15.parse(content).number == image.file15.number
    except Malformed:
        same = False
    if not same:
        raise Refusal(StatusWord.WRONG_DATA)


def app_block(ctx: Context) -> Outcome:
    """P2 00 until APP UNBLOCK, 01 for ever [M]."""
    how = {0x00: "temporary", 0x01: "permanent"}.get(ctx.command.p2)
    if how is None:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    _require_secured(ctx)
    return answer(b"", lambda image: replace(image, app_blocked=how))


def app_unblock(ctx: Context) -> Outcome:
    if ctx.image.app_blocked == "permanent":
        raise Refusal(StatusWord.APPLICATION_LOCKED)
    _require_secured(ctx)
    return answer(b"", lambda image: replace(image, app_blocked=""))


def card_block(ctx: Context) -> Outcome:
    _require_secured(ctx)
    return answer(b"", lambda image: replace(image, card_blocked=True))


_K = CommandKind
HANDLERS: Mapping[CommandKind, Handler] = MappingProxyType(
    {
        _K.GET_CHALLENGE: get_challenge,
        _K.VERIFY: verify,
        _K.UPDATE_BINARY_MAC: update_binary_mac,
        _K.APP_BLOCK: app_block,
        _K.APP_UNBLOCK: app_unblock,
        _K.CARD_BLOCK: card_block,
    }
)
