"""APDUs as nobody should send them, thrown at the software card: always a status word, and money is conserved.

    python fuzz/fuzz_apdu.py --count 1000000 [--seed N]

Three kinds of command are mixed: noise, every command of the table with parts of it changed, and the true next step of
a load, a purchase or an update. A plain model follows the completed transactions by their answers alone; the card's
balance and counters have to be the model's after each command. Some commands are cut off between internal writes; then
the card must be either as before or as after, with balance and counter together.
"""

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass

from tongka.card import appendix_c, commands
from tongka.card.apdu import Command, Response, StatusWord
from tongka.card.commands import SHAPES, CommandKind, InitData, classify
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import LoadInit, Moment, PurchaseInit, TransactionType, load_mac2, purchase_mac1
from tongka.errors import CardGone, Malformed
from tongka.sandbox.card.image import Pin
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise

WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
SERIAL = bytes(4)
TERMINAL = bytes.fromhex("000000000042")
KNOWN_WORDS = set(StatusWord)
FIXED = [row.command for row in appendix_c.ROWS if row.is_fixed]
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (0x10, 0x30, 0x50, 0x70)))
DEBIT, CREDIT = CommandKind.DEBIT_FOR_PURCHASE, CommandKind.CREDIT_FOR_LOAD
SIGNS = {CREDIT: (1, 1, 0), CommandKind.DEBIT_FOR_UNLOAD: (-1, 1, 0), DEBIT: (-1, 0, 1)}
"""Of each completing command: what becomes of balance (times the amount), online and offline counter."""
INIT_KINDS = {
    CommandKind.INIT_FOR_LOAD: TransactionType.EP_LOAD,
    CommandKind.INIT_FOR_UNLOAD: TransactionType.UNLOAD,
    CommandKind.INIT_FOR_PURCHASE: TransactionType.EP_PURCHASE,
    CommandKind.INIT_FOR_CAPP: TransactionType.CAPP,
}
CARD_LIFE = 2_000
"""Commands until the next card is taken: a locked PIN or a full purse makes one dull."""


class Finding(Exception):  # noqa: N818 - it is what the harness looks for
    """The card did what no card may do."""


@dataclass
class Chase:
    """One card and the model that follows it."""

    draw: random.Random
    card: SoftwareCard
    ends: Counter[str]
    init: LoadInit | PurchaseInit | None = None
    model: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def start(cls, draw: random.Random, ends: Counter[str]) -> "Chase":
        profile = draw.choice(list(PROFILES.values()))
        blank = Blank(balance_fen=draw.randrange(100_000), pin=draw.choice((None, None, Pin("1234"))))
        number = profile.asn_prefix.ljust(20, "3")[-profile.card_no_digits :]
        card = SoftwareCard(furnish(personalise(profile, number, MASTERS, blank)), draw.randbytes)
        return cls(draw, card, ends, model=(card.image.balance_fen, 0, 0))

    def step(self) -> None:
        """Send one command, and hold the card against the model."""
        apdu = self.next_apdu()
        cut = self.draw.randrange(5) if self.draw.randrange(200) == 0 else None
        if cut is not None:
            self.card.switch.arm(cut)
        try:
            self.follow(apdu, self.card.transmit(apdu))
        except CardGone:
            self.ends["cut"] += 1
            self.card.power_on()
            self.either_before_or_after(apdu)
        self.compare()

    # --- what to send -------------------------------------------------------------------------------------------------

    def next_apdu(self) -> bytes:
        if self.init and self.draw.randrange(3):
            return self.changed(bytes(self.completing(self.init)), one_in=8)
        match self.draw.randrange(9):
            case 0:
                return self.draw.randbytes(self.draw.randrange(24))
            case 1 | 2 | 3:
                return self.changed(bytes(self.draw.choice(FIXED)))
            case 4 | 5:
                return self.changed(self.of_the_table())
            case 6 | 7:
                return bytes(self.opening())
            case _:
                return bytes(commands.credit_for_load(WHEN, self.draw.randbytes(4)))

    def changed(self, apdu: bytes, one_in: int = 2) -> bytes:
        """One byte replaced, cut off or added, in one case of `one_in`."""
        if self.draw.randrange(one_in):
            return apdu
        at = self.draw.randrange(len(apdu))
        return self.draw.choice(
            (apdu[:at], apdu[:at] + self.draw.randbytes(1) + apdu[at + 1 :], apdu + self.draw.randbytes(1))
        )

    def of_the_table(self) -> bytes:
        shape = self.draw.choice(SHAPES)
        p1 = self.draw.randrange(256) if shape.p1 is None else shape.p1
        p2 = self.draw.randrange(256) if shape.p2 is None else shape.p2
        length = self.draw.randrange(40) if shape.lc is None else shape.lc
        return bytes(Command(shape.cla, shape.ins, p1, p2, self.draw.randbytes(length), self.draw.choice((None, 256))))

    def opening(self) -> Command:
        amount = self.draw.choice((0, 1, self.draw.randrange(5_000), self.draw.randrange(2**32)))
        return self.draw.choice(
            (
                commands.select_purse(),
                commands.verify(bytes.fromhex("1234")),
                commands.init_for_load(amount, TERMINAL),
                commands.init_for_purchase(amount, TERMINAL),
                commands.init_for_capp(amount, TERMINAL),
                commands.init_for_unload(amount, TERMINAL),
            )
        )

    def completing(self, init: LoadInit | PurchaseInit) -> Command:
        """The true next step of what was opened."""
        keys, suite = self.card.image.keys, self.card.image.suite
        if isinstance(init, PurchaseInit):
            if init.kind is TransactionType.CAPP and self.draw.randrange(2):
                return commands.update_capp_cache(0x1E, bytes(48))
            return commands.debit_for_purchase(SERIAL, WHEN, purchase_mac1(suite, keys.purchase, init, SERIAL, WHEN))
        mac2 = load_mac2(suite, keys.load, init, WHEN)
        unload = init.kind is TransactionType.UNLOAD
        return commands.debit_for_unload(WHEN, mac2) if unload else commands.credit_for_load(WHEN, mac2)

    # --- what came back -----------------------------------------------------------------------------------------------

    def follow(self, apdu: bytes, answer: Response) -> None:
        """Move the model by what the card answered, and by nothing else."""
        self.check_word(answer)
        kind = _kind(apdu)
        self.ends[f"{kind.name} {answer.sw:04X}"] += 1
        if kind in SIGNS and answer.ok:
            self.model = self.after(kind)
        if kind is not CommandKind.UPDATE_CAPP_CACHE or not answer.ok:
            self.init = self.opened(kind, apdu, answer) if answer.sw >> 8 != StatusWord.WRONG_LE >> 8 else self.init

    def check_word(self, answer: Response) -> None:
        family = answer.sw & 0xFFF0 == StatusWord.TRIES_LEFT or answer.sw >> 8 == StatusWord.WRONG_LE >> 8
        if answer.sw not in KNOWN_WORDS and not family:
            raise Finding(f"a status word of no table: {answer.sw:04X}")
        if answer.data and not answer.ok:
            raise Finding(f"data beside {answer.sw:04X}")

    def opened(self, kind: CommandKind, apdu: bytes, answer: Response) -> LoadInit | PurchaseInit | None:
        if kind not in INIT_KINDS or not answer.ok:
            return None
        data = InitData.parse(Command.parse(apdu))
        if kind in {CommandKind.INIT_FOR_LOAD, CommandKind.INIT_FOR_UNLOAD}:
            return LoadInit.parse(data.amount, data.terminal, answer.data, INIT_KINDS[kind])
        return PurchaseInit.parse(data.amount, data.terminal, answer.data, INIT_KINDS[kind])

    def after(self, kind: CommandKind) -> tuple[int, int, int]:
        if self.init is None:
            raise Finding(f"{kind.name} succeeded without its INIT")
        sign, online, offline = SIGNS[kind]
        balance, online_atc, offline_atc = self.model
        return balance + sign * self.init.amount, online_atc + online, offline_atc + offline

    def either_before_or_after(self, apdu: bytes) -> None:
        kind = _kind(apdu)
        if self.state() != self.model and kind in SIGNS:
            self.model = self.after(kind)
        self.init = None

    def state(self) -> tuple[int, int, int]:
        image = self.card.image
        return image.balance_fen, image.online_atc, image.offline_atc

    def compare(self) -> None:
        if self.state() != self.model:
            raise Finding(f"the card has {self.state()}, the model {self.model}")
        if min(self.model) < 0:
            raise Finding(f"below zero: {self.model}")


def _kind(apdu: bytes) -> CommandKind:
    try:
        return classify(apdu)
    except Malformed:
        return CommandKind.UNKNOWN


def run(count: int, seed: int) -> Counter[str]:
    """Send `count` commands; gives how often each command was answered with each status word.

    Raises:
        Finding: with the number of the command.

    """
    draw, ends = random.Random(seed), Counter[str]()
    for number in range(count):
        if number % CARD_LIFE == 0:
            chase = Chase.start(draw, ends)
        try:
            chase.step()
        except Exception as error:
            raise Finding(f"command {number} of seed {seed}: {error!r}") from error
    return ends


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        ends = run(options.count, options.seed)
    except Finding as finding:
        print(finding)
        return 1
    moved = sum(times for end, times in ends.items() if end.endswith(" 9000") and end.split()[0] in _COMPLETING)
    print(f"{options.count} commands, {moved} transactions, {ends['cut']} cuts, {len(ends)} kinds of answer")
    return 0


_COMPLETING = {kind.name for kind in SIGNS}

if __name__ == "__main__":
    sys.exit(main())
