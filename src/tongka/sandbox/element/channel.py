"""The card's side of the secure channels: challenge and cryptogram, unwrapping commands, protecting answers.

The derivations and MACs are those of `tongka.card.secure_channel`, which published sessions hold to account; what is
the card's own is checked against an independent host in the tests.
"""

import hmac
from dataclasses import dataclass, replace

from tongka.card.apdu import Command, Response, StatusWord
from tongka.card.global_platform import Answer
from tongka.card.secure_channel import Protocol, SecurityLevel, SessionKeys, StaticKeys, scp02, scp03
from tongka.card.secure_channel.channel import SECURED, is_protected
from tongka.card.secure_channel.protocol import CRYPTOGRAM_LEN, MAC_LEN
from tongka.card.secure_channel.scp02 import SCP02
from tongka.card.secure_channel.scp03 import SCP03
from tongka.errors import Malformed
from tongka.sandbox.card.state import Refusal

PROTOCOLS = {"02": SCP02, "03": SCP03}
LEVELS = (0x01, 0x03, 0x11, 0x13, 0x33)
"""Amendment D, table 7-5, but "no secure messaging"; SCP02 has the first two."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What INITIALIZE UPDATE began, and only EXTERNAL AUTHENTICATE may complete."""

    protocol: Protocol
    keys: SessionKeys
    host_challenge: bytes
    card_challenge: bytes

    @classmethod
    def of(cls, scp: str, static: StaticKeys, host_challenge: bytes, sequence: int, aid: bytes) -> "Greeting":
        """Both protocols draw the challenge from the sequence counter and the AID (i=55, i=70)."""
        protocol = PROTOCOLS[scp]
        if protocol is SCP03:
            card_challenge = scp03.pseudo_random_challenge(static, sequence.to_bytes(3, "big"), aid)
        else:
            counter = sequence.to_bytes(2, "big")
            own = scp02.pseudo_random_challenge(scp02.session_keys(static, b"", counter), aid)
            card_challenge = counter + own
        return cls(
            protocol, protocol.session_keys(static, host_challenge, card_challenge), host_challenge, card_challenge
        )

    def answer(self, diversification: bytes, key_version: int, sequence: int) -> bytes:
        """To INITIALIZE UPDATE."""
        cryptogram = self.protocol.card_cryptogram(self.keys, self.host_challenge, self.card_challenge)
        head = diversification + bytes((key_version, self.protocol.number))
        if self.protocol is SCP02:
            return head + self.card_challenge + cryptogram
        return head + bytes((scp03.OPTION,)) + self.card_challenge + cryptogram + sequence.to_bytes(3, "big")

    def complete(self, command: Command) -> "CardSide":
        """Check EXTERNAL AUTHENTICATE.

        Raises:
            Refusal: 6982 wrong MAC, 6300 wrong cryptogram, 6A86 a level that is not there.

        """
        allowed = LEVELS if self.protocol.protects_answers else LEVELS[:2]
        if command.p1 not in allowed or command.p2:
            raise Refusal(StatusWord.WRONG_PARAMETERS)
        opening = CardSide(self.protocol, SecurityLevel.C_MAC, self.keys, self.protocol.first_chain)
        after, plain = opening.unwrap(command)
        expected = self.protocol.host_cryptogram(self.keys, self.host_challenge, self.card_challenge)
        if len(plain.data) != CRYPTOGRAM_LEN or not hmac.compare_digest(plain.data, expected):
            raise Refusal(Answer.HOST_CRYPTOGRAM_WRONG)
        return replace(after, level=SecurityLevel(command.p1), commands=0)


@dataclass(frozen=True, slots=True)
class CardSide:
    """An open channel, as the card keeps it while it has power."""

    protocol: Protocol
    level: SecurityLevel
    keys: SessionKeys
    chain: bytes
    commands: int = 0

    def unwrap(self, command: Command) -> tuple["CardSide", Command]:
        """The plain command, and the channel after it.

        Raises:
            Refusal: 6982: no MAC, a wrong one, or data that does not decrypt; the channel ends with it.

        """
        number = self.commands + 1
        if not command.cla & SECURED or len(command.data) < MAC_LEN:
            raise Refusal(Answer.NOT_AUTHENTICATED)
        body, mac = command.data[:-MAC_LEN], command.data[-MAC_LEN:]
        plain = self._decrypted(number, body)
        covered = body if self.protocol.encrypts_first else plain
        header = bytes((command.cla, command.ins, command.p1, command.p2, len(covered) + MAC_LEN))
        chain = self.protocol.mac(self.keys.mac, self.chain, header + covered)
        if not hmac.compare_digest(mac, chain[:MAC_LEN]):
            raise Refusal(Answer.NOT_AUTHENTICATED)
        return replace(self, chain=chain, commands=number), replace(command, cla=command.cla & ~SECURED, data=plain)

    def _decrypted(self, number: int, body: bytes) -> bytes:
        if not body or not self.level & SecurityLevel.C_DECRYPTION:
            return body
        try:
            return self.protocol.decrypt(self.keys.enc, number, body)
        except (Malformed, ValueError):
            raise Refusal(Answer.NOT_AUTHENTICATED) from None

    def protect(self, answer: Response) -> Response:
        """The answer as it leaves: encrypted and with its MAC, where the level says so (Amendment D 6.2.5, 6.2.7)."""
        if not self.level & SecurityLevel.R_MAC or not is_protected(answer.sw):
            return answer
        data = answer.data
        if data and self.level & SecurityLevel.R_ENCRYPTION:
            data = scp03.encrypt(self.keys.enc, self.commands, data, answer=True)
        mac = self.protocol.mac(self.keys.rmac, self.chain, data + answer.sw.to_bytes(2, "big"))[:MAC_LEN]
        return Response(data + mac, answer.sw)
