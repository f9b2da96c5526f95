"""A secure channel to a security domain, the host's side: a small value that can be kept between two rounds.

    command = initialize_update(key_version, host_challenge)
    channel, command = open_channel(keys, host_challenge, answer)    # EXTERNAL AUTHENTICATE
    channel, command = channel.wrap(install)                         # as often as there are commands
    kept = channel.to_json()                                         # … `Channel.from_json(kept)` elsewhere

Nothing here draws random numbers or sends anything. A channel value holds session keys: whoever stores it seals it.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from tongka.card.apdu import DATA_MAX, LE_MAX, Command, Response, StatusWord, parse_hex
from tongka.card.secure_channel import scp03
from tongka.card.secure_channel.protocol import (
    ANSWERS_PROTECTED,
    COMMANDS_ENCRYPTED,
    MAC_LEN,
    Protocol,
    SecurityLevel,
    SessionKeys,
    StaticKeys,
)
from tongka.card.secure_channel.scp02 import SCP02
from tongka.card.secure_channel.scp03 import SCP03
from tongka.errors import CardError, MacWrong, Malformed, Unsupported

PROTOCOLS = {row.number: row for row in (SCP02, SCP03)}

SECURED = 0x04
"""The bit of CLA that says that a command is under secure messaging."""
WRAPPED_DATA_MAX = 239
"""Data bytes of a command that still fit when it is wrapped, whatever the protocol: with AES, 240 and the MAC."""


@dataclass(frozen=True, slots=True)
class InitializeUpdateAnswer:
    """What a security domain answers to INITIALIZE UPDATE.

    SCP02 (E.5.1.6): diversification data 10‖key version‖02‖sequence 2‖challenge 6‖cryptogram 8. SCP03 (Amendment D
    7.1.1.6): diversification data 10‖key version‖03‖option‖challenge 8‖cryptogram 8‖sequence 3, the last only where the
    option says that challenges are pseudo-random.

    Attributes:
        option: "i"; None in SCP02, which does not tell it.
        card_challenge: 8 bytes, in SCP02 with the sequence counter before it.

    """

    diversification: bytes
    key_version: int
    protocol: Protocol
    option: int | None
    sequence: bytes
    card_challenge: bytes
    card_cryptogram: bytes

    @classmethod
    def parse(cls, answer: bytes) -> Self:
        """Read the answer's data.

        Raises:
            CardError: another length.
            Unsupported: another protocol, or an option with other lengths.

        """
        if len(answer) not in (28, 29, 32):
            raise CardError(f"INITIALIZE UPDATE answers 28, 29 or 32 bytes, not {len(answer)}")
        protocol = PROTOCOLS.get(answer[11])
        if protocol is None or (protocol is SCP02) != (len(answer) == 28):
            raise Unsupported(f"secure channel protocol {answer[11]:02X} with an answer of {len(answer)} bytes")
        return cls._scp02(answer) if protocol is SCP02 else cls._scp03(answer)

    @classmethod
    def _scp02(cls, answer: bytes) -> Self:
        return cls(answer[:10], answer[10], SCP02, None, answer[12:14], answer[12:20], answer[20:28])

    @classmethod
    def _scp03(cls, answer: bytes) -> Self:
        return cls(answer[:10], answer[10], SCP03, answer[12], answer[29:], answer[13:21], answer[21:29])


def initialize_update(key_version: int, host_challenge: bytes) -> Command:
    """`host_challenge`: 8 random bytes; key version 0 asks for whichever keys the domain has."""
    return Command(0x80, 0x50, key_version, 0x00, host_challenge, LE_MAX)


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel after some commands.

    Attributes:
        chain: the MAC chaining value: SCP03 16 bytes, SCP02 the last MAC.
        commands: how many were wrapped since EXTERNAL AUTHENTICATE; SCP03 encrypts with it.

    """

    protocol: Protocol
    level: SecurityLevel
    keys: SessionKeys
    chain: bytes
    commands: int = 0

    def wrap(self, command: Command) -> tuple["Channel", Command]:
        """Protect a command; gives the channel after it, and what is to be sent.

        Raises:
            Malformed: the command is too long to be wrapped.

        """
        number = self.commands + 1
        body = self._encrypted(number, command.data)
        covered = body if self.protocol.encrypts_first else command.data
        cla = command.cla | SECURED
        header = bytes((cla, command.ins, command.p1, command.p2, len(covered) + MAC_LEN))
        chain = self.protocol.mac(self.keys.mac, self.chain, header + covered)
        wrapped = replace(command, cla=cla, data=body + chain[:MAC_LEN])
        return replace(self, chain=chain, commands=number), wrapped

    def _encrypted(self, number: int, data: bytes) -> bytes:
        encrypts = data and self.level & SecurityLevel.C_DECRYPTION
        body = self.protocol.encrypt(self.keys.enc, number, data) if encrypts else data
        if len(body) + MAC_LEN > DATA_MAX:
            raise Malformed("apdu", f"at most {WRAPPED_DATA_MAX} data bytes fit into a command under secure messaging")
        return body

    def wrap_all(self, commands: Iterable[Command]) -> tuple["Channel", list[Command]]:
        """Protect commands that are to be sent one after the other."""
        channel, wrapped = self, []
        for command in commands:
            channel, protected = channel.wrap(command)
            wrapped.append(protected)
        return channel, wrapped

    def unwrap(self, answer: Response) -> Response:
        """Check and decrypt the answer to the last wrapped command; as it is where the level protects no answers.

        Raises:
            MacWrong: its MAC does not verify, or is missing.

        """
        if not self.level & SecurityLevel.R_MAC or not is_protected(answer.sw):
            return answer
        data, mac = answer.data[:-MAC_LEN], answer.data[-MAC_LEN:]
        expected = self.protocol.mac(self.keys.rmac, self.chain, data + answer.sw.to_bytes(2, "big"))[:MAC_LEN]
        if not hmac.compare_digest(mac, expected):
            raise MacWrong("the MAC of the security domain's answer does not verify")
        if data and self.level & SecurityLevel.R_ENCRYPTION:
            data = scp03.decrypt(self.keys.enc, self.commands, data, answer=True)
        return Response(data, answer.sw)

    def encrypt_key(self, key: bytes) -> bytes:
        """A key as it is sent within a command: under the channel's DEK, whole blocks."""
        return self.protocol.encrypt_key(self.keys.dek, key)

    # --- between two rounds -------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything, as strings and numbers; it contains the session keys."""
        return {
            "scp": self.protocol.number,
            "level": int(self.level),
            "keys": self.keys.to_json(),
            "chain": self.chain.hex().upper(),
            "commands": self.commands,
        }

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            Malformed: anything else; names the field.

        """
        try:
            protocol, level = PROTOCOLS[entry["scp"]], SecurityLevel(entry["level"])
            chain, commands = parse_hex(entry["chain"], "chain"), int(entry["commands"])
        except (KeyError, TypeError, ValueError) as wrong:
            raise Malformed("channel", f"not a kept channel: {wrong}") from wrong
        return cls(protocol, level, SessionKeys.from_json(entry.get("keys")), chain, commands)


def is_protected(sw: int) -> bool:
    """Amendment D 6.2.5: answers that report an error carry no MAC; 9000 and the warnings 62xx, 63xx do."""
    return sw == StatusWord.OK or sw >> 8 in (0x62, 0x63)


def open_channel(
    keys: StaticKeys, host_challenge: bytes, answer: bytes, level: SecurityLevel = COMMANDS_ENCRYPTED
) -> tuple[Channel, Command]:
    """Check what the domain answered to INITIALIZE UPDATE; gives the channel and its EXTERNAL AUTHENTICATE.

    The channel is open when the domain answers 9000 to that command.

    Raises:
        MacWrong: the card's cryptogram is not of these keys.
        CardError, Unsupported: see `InitializeUpdateAnswer.parse`; or answers are to be protected and SCP02 cannot.

    """
    told = InitializeUpdateAnswer.parse(answer)
    if level & ANSWERS_PROTECTED and not told.protocol.protects_answers:
        raise Unsupported("SCP02 with the options 15 and 55 has no R-MAC; open the channel without it")
    session = told.protocol.session_keys(keys, host_challenge, told.card_challenge)
    expected = told.protocol.card_cryptogram(session, host_challenge, told.card_challenge)
    if not hmac.compare_digest(told.card_cryptogram, expected):
        raise MacWrong("the security domain's cryptogram does not verify: it has other keys than we")
    cryptogram = told.protocol.host_cryptogram(session, host_challenge, told.card_challenge)
    opening = Channel(told.protocol, SecurityLevel.C_MAC, session, told.protocol.first_chain)
    opened, command = opening.wrap(Command(0x80, 0x82, level, 0x00, cryptogram))
    return replace(opened, level=level, commands=0), command
