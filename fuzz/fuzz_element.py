"""Commands to a secure element, right, tampered, replayed and out of place: only rightly wrapped ones change it.

    python fuzz/fuzz_element.py --count 1000000 [--seed N]

The model knows which instances there are and which are locked; it is moved by what the element answers to commands that
were wrapped for the open channel and sent unchanged, once. Whatever else comes, the element has to stay as it is.
"""

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass

from tongka.card import commands
from tongka.card import global_platform as gp
from tongka.card.apdu import Command, Response, StatusWord, send
from tongka.card.secure_channel import Channel, SecurityLevel, initialize_update, open_channel
from tongka.errors import CardGone
from tongka.sandbox.element.image import PACKAGES
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.element.mint import elements

PACKAGE = next(iter(PACKAGES))
PURSE = next(iter(PACKAGES[PACKAGE]))
AIDS = [PURSE, PURSE + b"\x01", PURSE + b"\x02"]
KNOWN_WORDS = {*StatusWord, *gp.Answer}
ELEMENT_LIFE = 2_000
Model = dict[bytes, bool]
"""The instances, and whether each is locked."""


class Finding(Exception):  # noqa: N818 - it is what the harness looks for
    """The element did what none may do."""


@dataclass
class Chase:
    """One element, the host's side of its channel, and the model that follows it."""

    draw: random.Random
    element: SoftwareElement
    ends: Counter[str]
    channel: Channel | None = None
    last: Command | None = None

    @classmethod
    def start(cls, draw: random.Random, ends: Counter[str]) -> "Chase":
        return cls(draw, SoftwareElement(draw.choice(elements(bytes(32))), draw.randbytes), ends)

    def step(self) -> None:
        act = self.draw.choice(
            (self.noise, self.right, self.right, self.right, self.tampered, self.replayed, self.open)
        )
        before = self.model()
        if self.draw.randrange(300) == 0:
            self.element.switch.arm(self.draw.randrange(3))
        try:
            expected = act(before)
        except CardGone:
            self.ends["cut"] += 1
            self.element.power_on()
            self.channel = self.last = None
            return
        if self.model() != expected:
            raise Finding(f"{act.__name__}: from {before} to {self.model()}, the model says {expected}")

    def model(self) -> Model:
        return {aid: one.locked for aid, one in self.element.image.instances.items()}

    # --- what is done, and what it may lead to ------------------------------------------------------------------------

    def noise(self, before: Model) -> Model:
        ins = self.draw.choice([*gp.NAMES, self.draw.randrange(256)])
        cla = self.draw.choice((0x00, 0x80, 0x84))
        data = self.draw.choice((b"", self.draw.choice(AIDS), self.draw.randbytes(self.draw.randrange(40))))
        self.transmit(Command(cla, ins, self.draw.randrange(256), self.draw.randrange(256), data))
        self.channel = None  # whatever it was, a channel does not outlive it for sure
        return before

    def right(self, before: Model) -> Model:
        if self.channel is None:
            return self.open(before)
        aid = self.draw.choice(AIDS)
        locks = bool(self.draw.randrange(2))
        wanted, after = self.draw.choice(
            (
                (gp.Install(PACKAGE, PURSE, aid).command, {**before, aid: False}),
                (gp.delete(aid), {name: locked for name, locked in before.items() if name != aid}),
                (gp.set_status(aid, locked=locks), {**before, aid: locks}),
                (gp.get_status(), before),
            )
        )
        self.channel, self.last = self.channel.wrap(wanted)
        return after if self.transmit(self.last).ok else before

    def tampered(self, before: Model) -> Model:
        if self.channel is None:
            return before
        _, wrapped = self.channel.wrap(gp.delete(self.draw.choice(AIDS)))
        whole = bytearray(bytes(wrapped.without_le()))
        at = self.draw.randrange(5, len(whole))
        whole[at] ^= 1 << self.draw.randrange(8)
        self.transmit(Command.parse(bytes(whole)))
        self.channel = None
        return before

    def replayed(self, before: Model) -> Model:
        if self.last is None:
            return before
        answer = self.transmit(self.last)
        if answer.ok:
            raise Finding(f"the same command was taken twice: {self.last.hex}")
        self.channel = None
        return before

    def open(self, before: Model) -> Model:
        keys, challenge = self.element.image.keys, self.draw.randbytes(8)
        self.transmit(self.draw.choice((gp.select_domain(), gp.select_domain(), commands.select_aid(AIDS[0]))))
        self.channel = None
        greeting = self.transmit(initialize_update(0, challenge))
        if greeting.ok and len(greeting.data) in (28, 32):
            level = self.draw.choice((SecurityLevel(0x01), SecurityLevel(0x03)))
            channel, authenticate = open_channel(keys, challenge, greeting.data, level)
            self.channel = channel if self.transmit(authenticate).ok else None
        return before

    def transmit(self, command: Command) -> Response:
        answer = send(self.element, command)
        if answer.sw not in KNOWN_WORDS:
            raise Finding(f"a status word of no table: {answer.sw:04X}")
        self.ends[f"{gp.name_of(command) or 'other'} {answer.sw:04X}"] += 1
        return answer


def run(count: int, seed: int) -> Counter[str]:
    """Take `count` steps; gives how often each command was answered with each status word.

    Raises:
        Finding: with the number of the step.

    """
    draw, ends = random.Random(seed), Counter[str]()
    for number in range(count):
        if number % ELEMENT_LIFE == 0:
            chase = Chase.start(draw, ends)
        try:
            chase.step()
        except Exception as error:
            raise Finding(f"step {number} of seed {seed}: {error!r}") from error
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
    print(f"{options.count} steps, {ends['INSTALL 9000']} installed, {ends['cut']} cuts, {len(ends)} kinds of answer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
