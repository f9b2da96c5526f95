"""The card's side of vpcd's protocol, against a reader that speaks it byte by byte."""

import socket
import threading
from contextlib import closing

import pytest

from tongka.card import commands
from tongka.errors import CardGone, Misconfigured
from tongka.sandbox.card import vpcd
from tongka.sandbox.card.machine import ATR
from tongka.sandbox.card.power import AFTER

TIMEOUT_S = 10


class VirtualReader:
    """vpcd: listens, and talks to the card that connects."""

    def __init__(self, listening):
        self.line, _ = listening.accept()
        self.line.settimeout(TIMEOUT_S)

    def send(self, payload):
        frame = len(payload).to_bytes(2, "big") + payload
        for byte in frame:  # as unkindly cut as TCP may
            self.line.sendall(bytes((byte,)))

    def ask(self, payload):
        self.send(payload)
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def _exactly(self, count):
        received = b""
        while len(received) < count:
            part = self.line.recv(count - len(received))
            assert part, "the card closed the line"
            received += part
        return received


@pytest.fixture
def plugged(mint):
    """A card in a virtual reader: (bench, reader, what `serve` ended with)."""
    bench = mint(balance_fen=5_000)
    ended = []

    def card_side(port):
        with closing(vpcd.connect(port=port)) as line:
            try:
                vpcd.serve(bench.card, line)
                ended.append("closed")
            except CardGone:
                ended.append("gone")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_S)
        thread = threading.Thread(target=card_side, args=(listening.getsockname()[1],), daemon=True)
        thread.start()
        reader = VirtualReader(listening)

        def finished():
            reader.line.close()
            thread.join(TIMEOUT_S)
            return ended

        yield bench, reader, finished
        finished()


def test_the_atr_is_the_only_control_code_that_is_answered(plugged):
    _, reader, finished = plugged
    for silent in (vpcd.Control.POWER_OFF, vpcd.Control.POWER_ON, vpcd.Control.RESET):
        reader.send(bytes((silent,)))
    assert reader.ask(bytes((vpcd.Control.GET_ATR,))) == ATR
    assert finished() == ["closed"]


def test_apdus_are_answered_with_data_and_status_word(plugged):
    _, reader, _ = plugged
    assert reader.ask(bytes(commands.select_purse()))[-2:] == b"\x90\x00"
    assert reader.ask(bytes(commands.get_balance())) == bytes.fromhex("000013889000")
    assert reader.ask(b"") == bytes.fromhex("6700")


def test_a_reset_makes_the_card_forget_its_selection(plugged):
    _, reader, _ = plugged
    reader.ask(bytes(commands.select_purse()))
    reader.send(bytes((vpcd.Control.RESET,)))
    assert reader.ask(bytes(commands.get_balance())) == bytes.fromhex("6985")


def test_a_power_cut_takes_the_card_out_of_the_reader(plugged):
    bench, reader, finished = plugged
    bench.card.switch.arm(AFTER)
    reader.send(bytes(commands.select_purse()))
    assert reader.line.recv(1) == b""
    assert finished() == ["gone"]


def test_the_atr_has_the_check_byte_of_t1():
    check = 0
    for byte in ATR[1:]:
        check ^= byte
    assert check == 0
    assert ATR[1] & 0x0F == len(ATR) - 5  # historical bytes, after TS T0 TD1 TD2, before TCK


def test_no_virtual_reader_is_said_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Misconfigured, match="vsmartcard-vpcd"):
        vpcd.connect(port=port)
