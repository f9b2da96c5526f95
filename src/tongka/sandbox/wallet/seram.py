"""GlobalPlatform SERAM 2.0.0 as a Local Agent reads and writes it.

Orders are read in the schema's and in the examples' spelling; `round` is the addition that each report repeats.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta

from tongka.card.apdu import parse_hex
from tongka.errors import Malformed
from tongka.wire import Message, ObjectReader, read, spelt

READER = ObjectReader(max_bytes=64 << 10)
VERSION = "2.0.0"
DEFAULT_DELAY_MS = 100
COMMANDS_MAX, APDUS_MAX = 16, 64
START = frozenset({"ramStartCommand", "startCommand"})
STOP = frozenset({"ramStopCommand", "stopCommand"})
RUN, NOTIFY = "seRamCommand", "notificationCommand"


class Status(StrEnum):
    """`localAgentStatusEnum`."""

    POLLING = "POLLING"
    PROCESSED = "PROCESSED"
    UNAVAILABLE_SE = "UNAVAILABLE_SE"
    UNKNOWN_FAILURE = "UNKNOWN_FAILURE"
    UNGRANTED_ACCESS = "UNGRANTED_ACCESS"


class Element(Message):
    """`secureElement`."""

    se_type: str = spelt("seType")
    se_id: str = spelt("seId")


class RamCommand(Message):
    """`ramCommand`, of whichever type."""

    kind: str = spelt("ramCommandType")
    apdus: Annotated[tuple[str, ...], Meta(max_length=APDUS_MAX)] = spelt("listOfCAPDU", ())
    notice: str = spelt("deviceAppNotification", "")

    def parsed(self) -> tuple[bytes, ...]:
        """The command APDUs.

        Raises:
            Malformed: not hex.

        """
        return tuple(parse_hex(text, "listOfCAPDU") for text in self.apdus)


class Order(Message):
    """`remoteManagementOrder`; a delay in milliseconds."""

    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = spelt("delay", DEFAULT_DELAY_MS)
    element: Element | None = spelt("chosenSecureElement", None)
    commands: Annotated[tuple[RamCommand, ...], Meta(max_length=COMMANDS_MAX)] = spelt("ramCommands", ())
    round: int | None = spelt("round", None)


def read_order(body: bytes) -> Order:
    """Read an order.

    Raises:
        Malformed: it breaks the schema, or has a command of an unknown type; names the field.

    """
    order = read(Order, READER.read(body))
    for command in order.commands:
        if command.kind not in START | STOP | {RUN, NOTIFY}:
            raise Malformed("ramCommandType", f"{command.kind[:40]!r} is none of the four")
    return order


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent says.

    Attributes:
        answers: for each command that carries APDUs, its R-APDUs; empty where one is not to be had.
        executed: how many such commands ran.
        round: of the order that this answers; None leaves it out.

    """

    status: Status
    answers: tuple[tuple[bytes, ...], ...] = ()
    executed: int = 0
    error: str = ""
    round: int | None = None

    @property
    def body(self) -> bytes:
        """The message; the same report has the same bytes."""
        agent: dict[str, Any] = {"localAgentStatusEnum": self.status, "executedSeRamCommands": self.executed}
        message: dict[str, Any] = {"localAgentStatus": agent | ({"errorMsg": self.error} if self.error else {})}
        if self.answers:
            message["ramResponses"] = [
                {"ramResponseType": "seRamResponse", "listOfRAPDU": [one.hex().upper() for one in answers]}
                for answers in self.answers
            ]
        return _json(message | ({} if self.round is None else {"round": self.round}))


POLL = Report(Status.POLLING)


def handshake(se_ids: Iterable[str]) -> bytes:
    """`ramHandshakeCommand`: the elements, the preferred first."""
    return _json(
        {
            "secureElements": [{"seType": "eSE", "seId": se_id} for se_id in se_ids],
            "supportedTransportProtocols": ["HTTPS"],
            "supportedDataFormats": ["application/json"],
            "supportedVersions": [VERSION],
        }
    )


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
