"""Codes as pictures and back, byte for byte; and what is no picture."""

import io
import re

import pytest
from PIL import Image

from tongka.code import picture
from tongka.code.picture import LUMA, Frame
from tongka.errors import Malformed

NOW = 1_800_000_000
USER = "2088000000000001"


@pytest.fixture(scope="module", params=["alipay", "operator", "ministry", "every byte"])
def code(request, mint):
    credential = mint.credential(USER, NOW, card_no="3104880600000001", card_data=bytes(range(0xC0, 0x100)))
    return {
        "alipay": lambda: mint.code(credential, NOW),
        "operator": lambda: mint.code(credential, NOW, prefix=b"\x54\x01"),
        "ministry": lambda: mint.ministry_code(USER, NOW),
        "every byte": lambda: bytes(range(256)),
    }[request.param]()


def test_a_png_reads_back_to_the_same_bytes(code):
    assert picture.codes_in_picture(picture.png(code)) == [code]


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "PPM"])
def test_other_kinds_of_pictures_read_too(code, kind):
    out = io.BytesIO()
    Image.open(io.BytesIO(picture.png(code))).convert("RGB").save(out, kind)
    assert picture.codes_in_picture(out.getvalue()) == [code]


@pytest.mark.parametrize("degrees", [7, 90, 183])
def test_a_turned_phone_reads_too(code, degrees):
    turned = Image.open(io.BytesIO(picture.png(code))).convert("L").rotate(degrees, expand=True, fillcolor=255)
    out = io.BytesIO()
    turned.save(out, "PNG")
    assert picture.codes_in_picture(out.getvalue()) == [code]


@pytest.mark.parametrize("kind", LUMA)
def test_a_raw_camera_frame_reads_to_the_same_bytes(code, kind):
    image = Image.open(io.BytesIO(picture.png(code))).convert("L")
    step, first = LUMA[kind]
    frame = bytearray(b"\x80" * step * image.width * image.height)
    frame[first::step] = image.tobytes()
    colours = bytes(image.width * image.height // 2) if step == 1 else b""
    wanted = Frame.parse(f"{image.width}x{image.height}:{kind}")
    assert picture.codes_in_frame(bytes(frame) + colours, wanted) == [code]


def test_the_svg_draws_the_same_modules(code):
    drawn = picture.svg(code)
    side = picture.picture(code).symbol_size(border=picture.QUIET_ZONE)[0]
    assert f'viewBox="0 0 {side} {side}"' in drawn
    assert re.match(r"<svg\b", drawn)


def test_the_terminal_shows_as_many_modules_as_there_are(code):
    side = picture.picture(code).symbol_size(border=picture.QUIET_ZONE)[0]
    lines = picture.terminal(code).splitlines()
    assert len(lines) == (side + 1) // 2


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(Malformed, match="picture"):
        picture.codes_in_picture(data)


def test_a_picture_larger_than_any_camera_makes_is_not_decoded():
    header = b"P5 100000 100000 255\n"
    with pytest.raises(Malformed, match="picture"):
        picture.codes_in_picture(header)


def test_a_white_picture_shows_nothing():
    out = io.BytesIO()
    Image.new("L", (200, 200), 255).save(out, "PNG")
    assert picture.codes_in_picture(out.getvalue()) == []


@pytest.mark.parametrize("text", ["640", "640x", "x480", "640x480:mp4", "-1x5", ""])
def test_a_frame_of_another_form_is_refused(text):
    with pytest.raises(Malformed, match="frame"):
        Frame.parse(text)


def test_a_frame_that_is_cut_is_refused():
    with pytest.raises(Malformed, match="needs 200 bytes"):
        picture.codes_in_frame(bytes(199), Frame(10, 10, "yuyv"))
