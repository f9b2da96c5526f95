"""The security domain's commands (GlobalPlatform Card Specification 2.3, chapter 11).

A handler sees the lasting image and the session, and gives its answer with the internal writes that are made before the
answer leaves. All but INITIALIZE UPDATE, EXTERNAL AUTHENTICATE and GET DATA come over the channel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from tongka.card import global_platform as gp
from tongka.card.apdu import Command, StatusWord
from tongka.card.global_platform import Answer, Grouping, LifeCycle, StoreData
from tongka.card.secure_channel.protocol import CHALLENGE_LEN
from tongka.errors import Malformed
from tongka.sandbox.card.state import Refusal
from tongka.sandbox.element import personal
from tongka.sandbox.element.channel import CardSide, Greeting
from tongka.sandbox.element.image import PACKAGES, ElementImage, Instance

Write = Callable[[ElementImage], ElementImage]
"""One internal write: it happens entirely or not at all."""

SEQUENCE_MAX = {"02": 0xFFFF, "03": 0xFFFFFF}
NO_RECEIPT = b"\x00"
DIVERSIFICATION = slice(8, 18)
"""The diversification data is taken out of the CPLC: fabrication date, serial number, batch."""


@dataclass(slots=True)
class DomainSession:
    """The volatile state, while the domain is selected.

    Attributes:
        target: the application that STORE DATA is for.
        rest: of a grouping that goes on in the next block.

    """

    greeting: Greeting | None = None
    channel: CardSide | None = None
    target: bytes | None = None
    block: int = 0
    rest: bytes = b""


@dataclass(frozen=True, slots=True)
class Done:
    """A 9000 with its data, and the writes that come before it."""

    data: bytes = b""
    writes: tuple[Write, ...] = field(default=())


# --- opening a channel ------------------------------------------------------------------------------------------------


def initialize_update(image: ElementImage, session: DomainSession, command: Command) -> Done:
    """The sequence counter of SCP03 moves with every challenge, that of SCP02 with every channel that was opened."""
    session.channel, session.greeting, session.target = None, None, None
    if command.p1 not in (0, image.key_version) or command.p2:
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    if len(command.data) != CHALLENGE_LEN:
        raise Refusal(StatusWord.WRONG_LENGTH)
    if image.sequence >= SEQUENCE_MAX[image.scp]:
        raise Refusal(Answer.CONDITIONS)
    counts_now = image.scp == "03"
    sequence = image.sequence + counts_now
    greeting = Greeting.of(image.scp, image.keys, command.data, sequence, image.security_domain)
    session.greeting = greeting
    data = greeting.answer(image.cplc[DIVERSIFICATION], image.key_version, sequence)
    return Done(data, (_counted,) if counts_now else ())


def _counted(image: ElementImage) -> ElementImage:
    return replace(image, sequence=image.sequence + 1)


def external_authenticate(image: ElementImage, session: DomainSession, command: Command) -> Done:
    greeting, session.greeting = session.greeting, None
    if greeting is None:
        raise Refusal(Answer.CONDITIONS)
    session.channel = greeting.complete(command)
    return Done(b"", (_counted,) if image.scp == "02" else ())


# --- what is there ----------------------------------------------------------------------------------------------------


def get_data(image: ElementImage, _session: DomainSession, command: Command) -> Done:
    if (command.p1, command.p2) != (gp.CPLC_TAG >> 8, gp.CPLC_TAG & 0xFF):
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    return Done(gp.tlv(gp.CPLC_TAG, image.cplc))


def get_status(image: ElementImage, _session: DomainSession, command: Command) -> Done:
    """P1 40 applications, 80 the domain itself, 20 load files; P2 02: as tag-length-value, from the first on."""
    entries = {0x40: _applications, 0x80: _domain, 0x20: _packages}.get(command.p1)
    if entries is None or command.p2 != 0x02:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    wanted = _named(command)
    found = [_entry(aid, state) for aid, state in sorted(entries(image).items()) if aid.startswith(wanted)]
    if not found:
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    return Done(b"".join(found))


def _applications(image: ElementImage) -> dict[bytes, int]:
    return {aid: instance.status for aid, instance in image.instances.items()}


def _domain(image: ElementImage) -> dict[bytes, int]:
    return {image.security_domain: LifeCycle.PERSONALIZED}


def _packages(_image: ElementImage) -> dict[bytes, int]:
    return dict.fromkeys(PACKAGES, 0x01)


def _entry(aid: bytes, state: int) -> bytes:
    return gp.tlv(0xE3, gp.tlv(0x4F, aid) + gp.tlv(0x9F70, bytes((state,))) + gp.tlv(0xC5, b"\x00"))


def _named(command: Command) -> bytes:
    """The AID of a 4F."""
    try:
        tags = dict(gp.read_tlvs(command.data))
    except Malformed:
        raise Refusal(Answer.INCORRECT_DATA) from None
    if 0x4F not in tags:
        raise Refusal(Answer.INCORRECT_DATA)
    return tags[0x4F]


# --- INSTALL, DELETE, SET STATUS --------------------------------------------------------------------------------------


def install(image: ElementImage, session: DomainSession, command: Command) -> Done:
    how = {0x0C: _install, 0x20: _for_personalization}.get(command.p1)
    if how is None or command.p2:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    try:
        return how(image, session, command.data)
    except Malformed:
        raise Refusal(Answer.INCORRECT_DATA) from None


def _install(image: ElementImage, _session: DomainSession, data: bytes) -> Done:
    wanted = gp.Install.parse(data)
    if wanted.module not in PACKAGES.get(wanted.package, ()):
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    if wanted.instance in image.instances or wanted.instance == image.security_domain or not wanted.instance:
        raise Refusal(Answer.INCORRECT_DATA)
    if len(image.instances) >= image.room:
        raise Refusal(Answer.NO_MEMORY)
    instance = Instance(module=wanted.module)
    return Done(NO_RECEIPT, (lambda image: image.with_instance(wanted.instance, instance),))


def _for_personalization(image: ElementImage, session: DomainSession, data: bytes) -> Done:
    aid = gp.personalized_instance(data)
    instance = _existing(image, aid)
    if instance.locked or instance.purse:  # a purse that may hold money is not written over
        raise Refusal(Answer.CONDITIONS)
    session.target, session.block, session.rest = aid, 0, b""
    return Done(NO_RECEIPT)


def _existing(image: ElementImage, aid: bytes) -> Instance:
    instance = image.instances.get(aid)
    if instance is None:
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    return instance


def delete(image: ElementImage, session: DomainSession, command: Command) -> Done:
    aid = _named(command)
    if aid in PACKAGES or aid == image.security_domain:
        raise Refusal(Answer.CONDITIONS)
    _existing(image, aid)
    session.target = None
    return Done(NO_RECEIPT, (lambda image: image.without(aid),))


def set_status(image: ElementImage, _session: DomainSession, command: Command) -> Done:
    """P1 40; P2 with its top bit locks, without it gives the former state back."""
    if command.p1 != 0x40:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    instance = replace(_existing(image, command.data), locked=bool(command.p2 & gp.LOCKED))
    return Done(b"", (lambda image: image.with_instance(command.data, instance),))


# --- STORE DATA -------------------------------------------------------------------------------------------------------


def store_data(image: ElementImage, session: DomainSession, command: Command) -> Done:
    """Blocks count from 0; each grouping is a write of its own, and the last block makes the purse."""
    if session.target is None or session.channel is None:
        raise Refusal(Answer.CONDITIONS)
    if command.p2 != session.block & 0xFF:
        raise Refusal(StatusWord.WRONG_PARAMETERS)
    last, aid, instance = command.p1 & StoreData.LAST, session.target, _existing(image, session.target)
    groupings, rest = _whole_groupings(session.rest + command.data)
    if last and rest:
        raise Refusal(Answer.INCORRECT_DATA)
    kept = {one.dgi: personal.accepted(session.channel, one) for one in groupings}
    writes: list[Write] = [partial(_stored, aid=aid, dgi=dgi, value=value) for dgi, value in kept.items()]
    if last:
        purse = personal.purse_of({**instance.stored, **kept})
        writes.append(lambda image: _personalized(image, aid).with_purse(aid, purse))
    session.block, session.rest, session.target = session.block + 1, rest, None if last else aid
    return Done(b"", tuple(writes))


def _whole_groupings(data: bytes) -> tuple[list[Grouping], bytes]:
    """Those that are complete, and the beginning of one that is not."""
    for end in range(len(data), -1, -1):
        try:
            return gp.read_groupings(data[:end]), data[end:]
        except Malformed:
            continue
    return [], data


def _stored(image: ElementImage, *, aid: bytes, dgi: int, value: bytes) -> ElementImage:
    instance = image.instances[aid]
    return image.with_instance(aid, replace(instance, stored={**instance.stored, dgi: value}))


def _personalized(image: ElementImage, aid: bytes) -> ElementImage:
    return image.with_instance(aid, replace(image.instances[aid], state=LifeCycle.PERSONALIZED, stored={}))


# --- the table --------------------------------------------------------------------------------------------------------

Handler = Callable[[ElementImage, DomainSession, Command], Done]


@dataclass(frozen=True, slots=True)
class Row:
    """One command of the domain; `secured` ones are taken over the channel only."""

    run: Handler
    secured: bool = True


HANDLERS: Mapping[int, Row] = MappingProxyType(
    {
        0x50: Row(initialize_update, secured=False),
        0x82: Row(external_authenticate, secured=False),  # it brings the first MAC, and checks it itself
        0xCA: Row(get_data, secured=False),
        0xE2: Row(store_data),
        0xE4: Row(delete),
        0xE6: Row(install),
        0xF0: Row(set_status),
        0xF2: Row(get_status),
    }
)
"""By instruction byte."""
