"""`tongka gate verify` and `show`: every kind of source, what is printed, exit codes."""

import io
import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from tongka.cli import gate
from tongka.code import picture
from tongka.sandbox.mint import Mint

AT = "2027-01-15T16:00:00"  # city time: 1_800_000_000
NOW = 1_800_000_000
USER = "2088000000000001"


@pytest.fixture(scope="module")
def mint():
    return Mint(b"a gate for people".ljust(32, b"\0"))


@pytest.fixture(scope="module")
def code(mint):
    return mint.code(mint.credential(USER, NOW), NOW)


@pytest.fixture
def keys(tmp_path, mint):
    path = tmp_path / "keys.json"
    path.write_text(mint.keys().to_json())
    return path


@pytest.fixture
def run(keys):
    def command(*arguments, stdin=None):
        return CliRunner().invoke(
            gate.app, ["verify", "--keys", str(keys), "--at", AT, *map(str, arguments)], input=stdin
        )

    return command


@pytest.fixture(params=["hex", "hex file", "bytes file", "png", "jpeg", "frame"])
def source(request, code, tmp_path):
    """Arguments that name a code in one of the ways."""
    path = tmp_path / "source"
    image = Image.open(io.BytesIO(picture.png(code))).convert("L")
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG")
    contents = {
        "hex file": code.hex().encode() + b"\n",
        "bytes file": code,
        "png": picture.png(code),
        "jpeg": jpeg.getvalue(),
        "frame": image.tobytes(),
    }
    if request.param == "hex":
        return [code.hex()]
    path.write_bytes(contents[request.param])
    return [path, *(["--frame", f"{image.width}x{image.height}:gray"] if request.param == "frame" else [])]


def test_a_good_code_is_let_through_whatever_it_comes_in(run, source):
    result = run(*source, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["accepted"], told["result"], told["code"]["user_id"]) == (True, 1, USER)


def test_stdin_is_a_source(run, code):
    assert run("-", stdin=picture.png(code)).exit_code == 0
    assert run("-", stdin=code.hex()).exit_code == 0


def test_people_see_each_check_and_the_moments_in_city_time(run, code):
    shown = run(code.hex()).stdout
    assert "the signatures hold" in shown
    assert "2027-01-15 16:00:00" in shown
    assert "lets this code through" in shown


def test_a_refused_code_exits_1_with_the_reason(run, mint, code):
    result = run(code.hex(), "--card-type", "T0000001", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["result"], told["reason"]) == (1, -8, "CARDTYPE_UNSUPPORTED")
    result = run(mint.code(mint.credential(USER, NOW), NOW - 601).hex())
    assert (result.exit_code, "QRCODE_INFO_EXPIRED (-2)" in result.stdout) == (1, True)


def test_a_sandboxs_keys_verify_ministry_codes_too(tmp_path, mint):
    listed = mint.keys().to_list()
    ride = {"keys": listed[:-1], "ca_public_key": listed[-1]["public_key"]}
    path = tmp_path / "sandbox.json"
    path.write_text(json.dumps({"alipay": {}, "ride": ride}))
    arguments = ["verify", mint.ministry_code(USER, NOW).hex(), "--keys", str(path), "--at", AT]
    assert CliRunner().invoke(gate.app, arguments).exit_code == 0


@pytest.mark.parametrize("contents", [b"", b"no code", b"\x00\x01"])
def test_a_source_without_a_code_is_exit_2(run, tmp_path, contents):
    (tmp_path / "other").write_bytes(contents)
    assert run(tmp_path / "other").exit_code == 2
    assert run(tmp_path / "missing").exit_code == 2


def test_a_file_that_is_no_key_list_is_exit_2(code, tmp_path):
    (tmp_path / "keys").write_text("{}")
    for keys in (tmp_path / "keys", tmp_path / "missing"):
        result = CliRunner().invoke(gate.app, ["verify", code.hex(), "--keys", str(keys)])
        assert result.exit_code == 2


def test_show_draws_a_code_and_writes_its_pictures(code, tmp_path):
    shown = CliRunner().invoke(gate.app, ["show", code.hex()])
    assert shown.exit_code == 0
    assert "█" in shown.stdout or "▄" in shown.stdout
    png, svg = tmp_path / "code.png", tmp_path / "code.svg"
    CliRunner().invoke(gate.app, ["show", code.hex(), "--png", str(png), "--svg", str(svg)])
    assert picture.codes_in_picture(png.read_bytes()) == [code]
    assert svg.read_text().startswith("<svg")
    assert CliRunner().invoke(gate.app, ["show", code.hex(), "--hex"]).stdout.strip() == code.hex().upper()


def test_show_says_what_it_needs():
    result = CliRunner().invoke(gate.app, ["show"])
    assert (result.exit_code, "--from" in result.output) == (2, True)
