"""IF4 and IF5 as declarations, and their bytes.

IF4 is ours (docs/partners/wallet.md). IF5 is GlobalPlatform SERAM 2.0.0 with `round` added; where its schema and its
examples disagree, the schema's spelling is sent, and both are read.
"""

import hashlib
import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tongka.card.apdu import parse_hex
from tongka.errors import Malformed
from tongka.journeys.wallet.orders import Ask
from tongka.journeys.wallet.refusals import NoCommonGround
from tongka.journeys.wallet.session import Report, Saying
from tongka.money import MAX_FEN
from tongka.store.wallet import Business
from tongka.wire import Message, ObjectReader, read, spelt

MAX_BODY_BYTES = 64 << 10
READER = ObjectReader(max_bytes=MAX_BODY_BYTES)

Name = Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z", description="1 to 64 visible ASCII characters")]
OrderId = Annotated[str, Meta(pattern=r"^[!-.0-~]{1,64}\Z", description="1 to 64 visible ASCII characters but /")]
CardNo = Annotated[str, Meta(pattern=r"^[0-9]{10,20}\Z", description="10 to 20 digits")]
Amount = Annotated[int, Meta(ge=0, le=MAX_FEN, description="an amount in fen")]
HolderType = Annotated[str, Meta(pattern=r"^0[1-5]\Z", description="01 to 05")]


# --- IF4 --------------------------------------------------------------------------------------------------------------


class SecureElement(Message):
    """A chip, as SERAM names it."""

    se_id: Name = spelt("seId")
    se_type: Name = spelt("seType", "eSE")
    extra: str | None = spelt("seExtraInfo", None)


class WalletOrderMessage(Message):
    """`POST /order`. `deposit`, `fee` and `cardType` are ours; others may leave them out."""

    business: Business = spelt("businessType")
    server_order_id: OrderId = spelt("serverOrderId")
    issuer_id: Name = spelt("issuerId")
    device_id: Name = spelt("deviceId")
    card_no: CardNo | None = spelt("logicalCardNumber", None)
    amount: Amount | None = spelt("amount", None)
    elements: tuple[SecureElement | Name, ...] | None = spelt("secureElements", None)
    deposit: Amount | None = spelt("deposit", None)
    fee: Amount | None = spelt("fee", None)
    holder_type: HolderType | None = spelt("cardType", None)


def read_order(body: bytes) -> Ask:
    """Read an order; two with the same fields and values are the same, however they are written.

    Raises:
        Malformed: names the field.

    """
    fields = READER.read(body)
    message = read(WalletOrderMessage, fields)
    return Ask(
        business=message.business,
        server_order_id=message.server_order_id,
        issuer_id=message.issuer_id,
        device_id=message.device_id,
        digest=_digest(fields),
        card=message.card_no or "",
        amount_fen=message.amount or 0,
        deposit_fen=message.deposit or 0,
        fee_fen=message.fee or 0,
        holder_type=int(message.holder_type, 16) if message.holder_type else None,
        elements=tuple(one.se_id if isinstance(one, SecureElement) else one for one in message.elements or ()),
    )


def _digest(fields: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).digest()


# --- IF5: SERAM -------------------------------------------------------------------------------------------------------

TRANSPORT, DATA_FORMAT, VERSION = "HTTPS", "application/json", "2.0.0"


class Handshake(Message):
    """`ramHandshakeCommand`; the example says `supportedVersion`, the schema `supportedVersions`."""

    elements: tuple[SecureElement, ...] = spelt("secureElements")
    transports: tuple[str, ...] | None = spelt("supportedTransportProtocols", None)
    transport: tuple[str, ...] | None = spelt("supportedTransportProtocol", None)
    formats: tuple[str, ...] | None = spelt("supportedDataFormats", None)
    format: tuple[str, ...] | None = spelt("supportedDataFormat", None)
    versions: tuple[str, ...] | None = spelt("supportedVersions", None)
    version: tuple[str, ...] | None = spelt("supportedVersion", None)


HANDSHAKE_ANSWER = {
    "chosenTransportProtocol": TRANSPORT,
    "chosenDataFormat": DATA_FORMAT,
    "chosenDataProtocol": DATA_FORMAT,  # the schema requires this name and describes the other
    "chosenVersion": VERSION,
}


def read_handshake(body: bytes) -> list[tuple[str, str]]:
    """The elements offered, (type, id), the preferred first.

    Raises:
        NoCommonGround: another transport, format or version is asked for.

    """
    message = read(Handshake, READER.read(body))
    for wanted, offers in (
        (TRANSPORT, (message.transports, message.transport)),
        (DATA_FORMAT, (message.formats, message.format)),
        (VERSION, (message.versions, message.version)),
    ):
        named = [one for offer in offers for one in offer or ()]
        if named and wanted not in named:
            raise NoCommonGround(f"{wanted} is what is spoken here, and not among what the handshake offers")
    return [(one.se_type, one.se_id) for one in message.elements]


FAILURES = {
    "UNAVAILABLE_SE": "unavailable_se",
    "UNKNOWN_FAILURE": "unknown_failure",
    "UNGRANTED_ACCESS": "ungranted_access",
    "UNGRANDED_ACCESS": "ungranted_access",  # the spelling of errorMsg's description
}
"""The statuses of an agent that could not run commands, and what they are called here."""
ERROR_MAX = 200

Status = Annotated[
    str,
    Meta(
        pattern=rf"^(POLLING|PROCESSED|{'|'.join(FAILURES)})\Z",
        description="one of localAgentStatusEnum",
    ),
]


class AgentStatus(Message):
    """`localAgentStatus`."""

    status: Status = spelt("localAgentStatusEnum")
    executed: Annotated[int, Meta(ge=0, le=1000, description="a count")] | None = spelt("executedSeRamCommands", None)
    error: str | None = spelt("errorMsg", None)


class RamResponse(Message):
    """`ramResponse`; of the types only `seRamResponse` is defined."""

    kind: Name = spelt("ramResponseType")
    answers: tuple[str, ...] | None = spelt("listOfRAPDU", None)


class ReportMessage(Message):
    """`remoteManagementReport`, with `round`."""

    status: AgentStatus = spelt("localAgentStatus")
    responses: tuple[RamResponse, ...] | None = spelt("ramResponses", None)
    round: Annotated[int, Meta(ge=0, lt=10**6, description="a round's number")] | None = spelt("round", None)


RESPONSES_MAX = 64


def read_report(body: bytes) -> Report:
    """Read a report; an answer that is not to be had is an empty string.

    Raises:
        Malformed: names the field.

    """
    fields = READER.read(body)
    message = read(ReportMessage, fields)
    texts = [text for response in message.responses or () for text in response.answers or ()]
    if len(texts) > RESPONSES_MAX:
        raise Malformed("listOfRAPDU", f"at most {RESPONSES_MAX} answers are read")
    return Report(
        digest=_digest({name: value for name, value in fields.items() if name != "round"}),
        polling=message.status.status == "POLLING" and not texts,
        failure=FAILURES.get(message.status.status, ""),
        error=(message.status.error or "")[:ERROR_MAX],
        answers=tuple(parse_hex(text, "listOfRAPDU") for text in texts),
        round=message.round,
    )


def write_order(saying: Saying) -> bytes:
    """`remoteManagementOrder`, with `round`."""
    order: dict[str, Any] = {"round": saying.round, "delay": saying.delay_ms}
    commands: list[dict[str, Any]] = []
    said = saying.said
    if saying.starts:
        commands.append({"ramCommandType": "ramStartCommand"})
    if said.commands:
        order["chosenSecureElement"] = {"seType": saying.element[0], "seId": saying.element[1]}
        apdus = [command.hex().upper() for command in said.commands]
        commands.append({"ramCommandType": "seRamCommand", "listOfCAPDU": apdus})
    if said.ends:
        notice = f"{said.state.value}/{said.reason}" if said.reason else said.state.value
        commands.append({"ramCommandType": "notificationCommand", "deviceAppNotification": notice})
        commands.append({"ramCommandType": "ramStopCommand"})
    if commands:
        order["ramCommands"] = commands
    return msgspec.json.encode(order)
