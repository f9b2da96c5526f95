"""From `tongka card` through pyscard, pcscd and vpcd to the software card and back.

pcscd's virtual reader listens on every address, so it runs in a network of its own (`unshare -n`), where `tongka card
serve` joins it; the PC/SC side is a Unix socket and needs no network. Needs root, pcscd, vsmartcard-vpcd and pyscard.
"""

import fcntl
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tongka.card import commands
from tongka.card.apdu import StatusWord
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment
from tongka.card.reader import GET_RESPONSE, PcscCard, reader_names
from tongka.errors import CardGone, Misconfigured
from tongka.sandbox.card.image import read_image, write_image
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.sandbox.card.terminal import Terminal

VPCD_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
READER_CONF = f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH {VPCD_DRIVER}\nCHANNELID 0x8C7B\n'
LO_UP_AND_EXEC = """
import fcntl, os, socket, struct, sys
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
os.execvp(sys.argv[1], sys.argv[1:])
"""
TONGKA_CARD = [sys.executable, "-c", "from tongka.cli.card import app; app()"]
PATIENCE_S = 20.0
PCSCD_SOCKET = "/run/pcscd/pcscd.comm"
LOCK = Path(tempfile.gettempdir()) / "tongka-test-pcscd.lock"
LOCK_PATIENCE_S = 120.0
WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (1, 2, 3, 4)))


def missing() -> str:
    """What this machine lacks for the test, with the remedy; empty when nothing."""
    lacks = {
        "root, for a network of its own": os.geteuid() != 0,
        "pcscd (apt-get install pcscd)": not shutil.which("pcscd"),
        "unshare and nsenter (apt-get install util-linux)": not (shutil.which("unshare") and shutil.which("nsenter")),
        "vpcd (apt-get install vsmartcard-vpcd)": not VPCD_DRIVER.exists(),
        "pyscard (uv sync --extra pcsc)": importlib.util.find_spec("smartcard") is None,
        "no other pcscd running": _answers(),
    }
    return ", ".join(what for what, lacking in lacks.items() if lacking)


def _answers() -> bool:
    """Whether a pcscd listens already, or its service manager does for it."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(PCSCD_SOCKET) == 0


def until(wish, what, patience_s=PATIENCE_S):
    """Ask again until `wish` gives something; fail with `what` when patience ends."""
    end = time.monotonic() + patience_s
    while not (found := wish()):
        if time.monotonic() > end:
            pytest.fail(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.05)
    return found


def stop(process: subprocess.Popen) -> str:
    process.terminate()
    try:
        return process.communicate(timeout=5)[0] or ""
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0] or ""


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """A machine has one pcscd: other runs of these tests wait."""
    with LOCK.open("w") as lock:
        until(lambda: _locked(lock), "another run of these tests to end", LOCK_PATIENCE_S)
        yield


def _locked(lock) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def pcscd(alone, tmp_path_factory) -> Iterator[int]:
    """A pcscd with one virtual reader in a network of its own; gives its process number."""
    if lacking := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the PC/SC test needs {lacking}")
    conf = tmp_path_factory.mktemp("reader.conf.d")
    (conf / "vpcd").write_text(READER_CONF)
    Path("/run/pcscd").mkdir(exist_ok=True)
    for left in ("pcscd.comm", "pcscd.pid"):
        Path("/run/pcscd", left).unlink(missing_ok=True)
    process = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", LO_UP_AND_EXEC, "pcscd", "-f", "-c", str(conf)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: process.poll() is not None or _virtual_reader(), "pcscd's virtual reader")
        assert process.poll() is None, f"pcscd ended: {stop(process)}"
        yield process.pid
    finally:
        stop(process)


def _virtual_reader() -> str:
    try:
        return next((name for name in reader_names() if name.startswith("Virtual PCD")), "")
    except Misconfigured:
        return ""


@pytest.fixture
def image_file(tmp_path):
    profile = PROFILES["huzhou-ministry-3des"]
    path = tmp_path / "card.json"
    write_image(path, furnish(personalise(profile, "3104880600000000015", MASTERS, Blank(balance_fen=5_000))))
    return path


@pytest.fixture
def insert(pcscd, image_file):
    """Put the card into the reader with `tongka card serve`; gives the connection and the serving process."""
    serving, connections = [], []

    def put(*options):
        until(_is_empty, "pcscd to notice that the last card is gone")
        process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{pcscd}/ns/net", *TONGKA_CARD, "serve", "--image", str(image_file), *options],
            stderr=subprocess.PIPE,
            text=True,
        )
        serving.append(process)
        card = until(_connected, "the card in the virtual reader")
        connections.append(card)
        return card, process

    yield put
    for card in connections:
        card.close()
    for process in serving:
        stop(process)


def _connected():
    try:
        return PcscCard.connect("Virtual PCD")
    except CardGone:
        return None


def _is_empty():
    card = _connected()
    if card:
        card.close()
    return card is None


def terminal_before(card, image):
    terminal = Terminal(card, image.suite, image.keys, bytes.fromhex("000000000042"))
    terminal.select()
    return terminal


def tongka_card(*arguments):
    return subprocess.run([*TONGKA_CARD, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.pcsc
def test_a_card_is_loaded_through_the_whole_pcsc_stack_and_keeps_it(insert, image_file):
    card, _ = insert()
    terminal = terminal_before(card, read_image(image_file))
    terminal.load(1_000, WHEN)
    terminal.purchase(200, bytes(4), WHEN)
    assert terminal.balance() == 5_800
    kept = read_image(image_file)
    assert (kept.balance_fen, kept.online_atc, kept.offline_atc) == (5_800, 1, 1)


@pytest.mark.pcsc
def test_a_card_torn_out_during_the_credit_is_gone_and_was_credited(insert, image_file):
    card, serving = insert("--cut-at", "credit_for_load", "--cut-point", "1")
    terminal = terminal_before(card, read_image(image_file))
    with pytest.raises(CardGone):
        terminal.load(1_000, WHEN)
    assert serving.wait(timeout=PATIENCE_S) == 2
    again, _ = insert()
    init = terminal_before(again, read_image(image_file)).init_load(0)
    assert (init.balance, init.online_atc) == (6_000, 1)
    assert again.transmit(bytes(commands.read_record(0x18, 1))).sw == StatusWord.RECORD_NOT_FOUND


@pytest.mark.pcsc
def test_the_command_line_lists_the_reader_and_reads_the_card(insert):
    insert()[0].close()
    listed = json.loads(tongka_card("list", "--json").stdout)
    assert any(name.startswith("Virtual PCD") for name in listed)
    read = json.loads(tongka_card("read", "--reader", "Virtual PCD", "--json").stdout)
    assert (read["card_no"], read["balance_fen"]) == ("3104880600000000015", 5_000)


@pytest.mark.pcsc
def test_an_empty_reader_and_an_unknown_one_are_named(pcscd):
    with pytest.raises(CardGone, match="Virtual PCD"):
        PcscCard.connect("Virtual PCD")
    with pytest.raises(Misconfigured, match=r"'Nowhere'.*Virtual PCD"):
        PcscCard.connect("Nowhere")


class T0Line:
    """A T=0 reader before a software card, as pyscard shows one: the answer is fetched in a second step."""

    def __init__(self, card):
        self.card, self.waiting = card, b""

    def transmit(self, apdu):
        if bytes(apdu[:4]) == GET_RESPONSE:
            part, self.waiting = self.waiting[: apdu[4]], self.waiting[apdu[4] :]
            return self._answer(part)
        answer = self.card.transmit(bytes(apdu))
        if not answer.ok:
            return [], answer.sw >> 8, answer.sw & 0xFF
        self.waiting = answer.data
        return self._answer(b"")

    def _answer(self, data):
        return (list(data), 0x61, min(len(self.waiting), 16)) if self.waiting else (list(data), 0x90, 0x00)


def test_a_t0_card_s_answer_is_fetched_piece_by_piece(image_file):
    pytest.importorskip("smartcard", reason="pyscard (uv sync --extra pcsc)")
    image = read_image(image_file)
    terminal = terminal_before(PcscCard(T0Line(SoftwareCard(image, bytes))), image)
    terminal.load(1_000, WHEN)
    assert terminal.ask(commands.read_binary(0x15), "READ") == image.files["0015"]
    assert terminal.balance() == 6_000


def test_without_pyscard_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(Misconfigured, match=r"tongka\[pcsc\]"):
        reader_names()
