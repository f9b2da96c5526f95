"""The software card in a virtual PC/SC reader: the card's side of vpcd's protocol (vsmartcard).

pcscd loads vpcd's driver, which listens; the card connects to it. Each frame is a two-byte length and that many bytes:
one byte is a control code, anything longer an APDU. Only APDUs and the request for the ATR are answered.
"""

import socket
from enum import IntEnum

from tongka.errors import Misconfigured
from tongka.sandbox.card.machine import ATR, SoftwareCard

VPCD_PORT = 0x8C7B
CONNECT_TIMEOUT_S = 5.0
LENGTH_BYTES = 2


class Control(IntEnum):
    """The one-byte frames."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    GET_ATR = 4


def connect(host: str = "127.0.0.1", port: int = VPCD_PORT) -> socket.socket:
    """Open the way to a waiting vpcd.

    Raises:
        Misconfigured: nothing listens there; names the remedy.

    """
    try:
        line = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
    except OSError as refused:
        raise Misconfigured(
            f"no virtual reader listens on {host}:{port} ({refused});"
            " install vsmartcard-vpcd, start pcscd and see that reader.conf.d/vpcd names this port"
        ) from refused
    line.settimeout(None)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def serve(card: SoftwareCard, line: socket.socket) -> None:
    """Answer until the reader closes the line.

    Raises:
        CardGone: the card's power was cut; the caller closes the line, which takes the card out of the reader.

    """
    while (frame := _receive(line)) is not None:
        reply = _control(card, frame[0]) if len(frame) == 1 else card.transmit(frame).raw
        if reply is not None:
            line.sendall(len(reply).to_bytes(LENGTH_BYTES, "big") + reply)


def _control(card: SoftwareCard, code: int) -> bytes | None:
    match code:
        case Control.POWER_OFF:
            card.power_off()
        case Control.POWER_ON | Control.RESET:
            card.power_on()
        case Control.GET_ATR:
            return ATR
    return None


def _receive(line: socket.socket) -> bytes | None:
    """The next frame; None when the reader has closed the line."""
    length = _receive_exactly(line, LENGTH_BYTES)
    return length and _receive_exactly(line, int.from_bytes(length, "big"))


def _receive_exactly(line: socket.socket, count: int) -> bytes | None:
    received = b""
    while len(received) < count:
        # vpcd sends length and contents apart; without this its second packet waits for our delayed ACK, 40 ms each
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = line.recv(count - len(received))
        if not part:
            return None
        received += part
    return received
