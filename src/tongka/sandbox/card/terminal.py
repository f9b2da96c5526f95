"""A terminal that holds a card's own keys: it loads, debits and sells cards without any server.

The sandbox's gates, the demo and the tests use it. A real terminal has these keys in a PSAM or asks the platform.
"""

from dataclasses import dataclass

from tongka.card import commands
from tongka.card.apdu import CardChannel, Command, send
from tongka.card.files import File15
from tongka.card.keyset import KeySet
from tongka.card.purse import (
    LoadInit,
    Moment,
    PurchaseInit,
    TransactionType,
    load_mac1,
    load_mac2,
    load_tac,
    purchase_mac1,
    purchase_mac2,
    purchase_tac,
    unload_mac3,
)
from tongka.crypto.pboc import Suite
from tongka.errors import MacWrong

FILE15_SFI = 0x15


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal before one card.

    Attributes:
        terminal_id: 6 bytes.

    """

    card: CardChannel
    suite: Suite
    keys: KeySet
    terminal_id: bytes

    def ask(self, command: Command, doing: str) -> bytes:
        """The data of a 9000 answer.

        Raises:
            ApduError: another status word.
            CardGone: the card left.

        """
        return send(self.card, command).require(doing)

    def select(self) -> bytes:
        return self.ask(commands.select_purse(), "SELECT")

    def balance(self) -> int:
        return int.from_bytes(self.ask(commands.get_balance(), "GET BALANCE"), "big")

    # --- load ---------------------------------------------------------------------------------------------------------

    def init_load(self, amount: int) -> LoadInit:
        """INIT FOR LOAD, its MAC1 checked.

        Raises:
            MacWrong: MAC1 does not verify.

        """
        answer = self.ask(commands.init_for_load(amount, self.terminal_id), "INIT FOR LOAD")
        init = LoadInit.parse(amount, self.terminal_id, answer)
        _same(init.mac1, load_mac1(self.suite, self.keys.load, init), "MAC1")
        return init

    def credit(self, init: LoadInit, when: Moment) -> Command:
        """The CREDIT FOR LOAD that completes `init`."""
        return commands.credit_for_load(when, load_mac2(self.suite, self.keys.load, init, when))

    def load(self, amount: int, when: Moment) -> bytes:
        """A whole load; gives its TAC, checked."""
        init = self.init_load(amount)
        tac = self.ask(self.credit(init, when), "CREDIT FOR LOAD")
        _same(tac, load_tac(self.suite, self.keys.tac, init, when), "TAC")
        return tac

    def unload(self, amount: int, when: Moment) -> bytes:
        """A whole unload; gives its MAC3, checked."""
        answer = self.ask(commands.init_for_unload(amount, self.terminal_id), "INIT FOR UNLOAD")
        init = LoadInit.parse(amount, self.terminal_id, answer, TransactionType.UNLOAD)
        _same(init.mac1, load_mac1(self.suite, self.keys.load, init), "MAC1")
        mac2 = load_mac2(self.suite, self.keys.load, init, when)
        mac3 = self.ask(commands.debit_for_unload(when, mac2), "DEBIT FOR UNLOAD")
        _same(mac3, unload_mac3(self.suite, self.keys.load, init, when), "MAC3")
        return mac3

    # --- purchase -----------------------------------------------------------------------------------------------------

    def init_purchase(self, amount: int, kind: TransactionType = TransactionType.EP_PURCHASE) -> PurchaseInit:
        """INIT FOR PURCHASE, or INIT FOR CAPP when `kind` is CAPP."""
        build = commands.init_for_capp if kind is TransactionType.CAPP else commands.init_for_purchase
        return PurchaseInit.parse(amount, self.terminal_id, self.ask(build(amount, self.terminal_id), "INIT"), kind)

    def debit(self, init: PurchaseInit, serial: bytes, when: Moment) -> Command:
        """The DEBIT FOR PURCHASE that completes `init`; `serial` has 4 bytes."""
        mac1 = purchase_mac1(self.suite, self.keys.purchase, init, serial, when)
        return commands.debit_for_purchase(serial, when, mac1)

    def complete_purchase(self, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
        """DEBIT FOR PURCHASE; gives the TAC, checked together with MAC2."""
        answer = self.ask(self.debit(init, serial, when), "DEBIT FOR PURCHASE")
        _same(answer[4:], purchase_mac2(self.suite, self.keys.purchase, init, serial), "MAC2")
        _same(answer[:4], purchase_tac(self.suite, self.keys.tac, init, serial, when), "TAC")
        return answer[:4]

    def purchase(self, amount: int, serial: bytes, when: Moment) -> bytes:
        """A whole purchase; gives its TAC."""
        return self.complete_purchase(self.init_purchase(amount), serial, when)

    # --- maintenance --------------------------------------------------------------------------------------------------

    def secured(self, header_and_data: bytes) -> Command:
        """Fetch a challenge and add the MAC to a command under secure messaging (Lc already counts it)."""
        challenge = self.ask(commands.get_challenge(), "GET CHALLENGE")
        mac = self.suite.secure_mac(self.keys.maintain, challenge, header_and_data)
        return Command.parse(header_and_data + mac)

    def write_file15(self, file15: File15) -> None:
        """What a sale writes (Huzhou IDX_2001)."""
        header_and_data = commands.update_binary_header(FILE15_SFI, 0, file15.build())
        self.ask(self.secured(header_and_data), "UPDATE BINARY 0015")


def _same(got: bytes, expected: bytes, what: str) -> None:
    if got != expected:
        raise MacWrong(f"{what} of the card is {got.hex().upper()}, {expected.hex().upper()} was expected")
