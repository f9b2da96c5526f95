"""The secure channel to an element's security domain: opened, looked through, and resumed from round to round.

The session's keys are made by the HSM, and kept only as the sealed part of the script's state. A channel ends whenever
the element loses its power; then a command is refused, and the script opens another.

Before that the chip is asked who it is: the production data (CPLC) that its maker wrote into it. They are noted when
the channel has proved that this chip holds the element's keys. The keys alone decide: what is told in the clear refuses
nothing. Not every element tells them; the question stands at the end of a list, where agents that stop at a no stop.
"""

from contextlib import suppress
from enum import Enum, auto

from tongka.card import global_platform as gp
from tongka.card.apdu import Command
from tongka.card.secure_channel import Channel, initialize_update
from tongka.card.secure_channel.protocol import CHALLENGE_LEN
from tongka.errors import CardError, Malformed
from tongka.journeys.wallet.program import ElementRefuses, Heard, LookAgain, Phase, Run, Said
from tongka.keys import ElementKeys

CHANNEL = "channel"


def element_keys(run: Run) -> ElementKeys:
    return ElementKeys(run.element.se_id, run.element.scp, run.element.key_version, run.element.keys)


def who(run: Run) -> tuple[Command, Command]:
    """The question who the chip is, for the end of a list; `meet` reads the answers."""
    return gp.select_domain(run.element.security_domain), gp.get_cplc()


def meet(run: Run, heard: Heard) -> Heard:
    """Who the chip says it is, by the last answers; the others. Where only these are missing, it is asked once more."""
    told = heard[-1]
    run.program.met = told is not None or not heard.script
    if told is not None and told.ok:
        with suppress(Malformed):
            run.program.cplc = gp.read_cplc(told.data)
    return Heard(heard.answers[: -len(who(run))])


async def begin(run: Run, after: str) -> Said:
    """Select the security domain and open a channel; `after` reads EXTERNAL AUTHENTICATE's answer and the status."""
    if not run.program.met:
        run.program.after = after
        return run.send("channel.met", *who(run))
    run.program.host_challenge = run.system.random(CHALLENGE_LEN)
    run.program.after = after
    return run.send(
        "channel.opened",
        gp.select_domain(run.element.security_domain),
        initialize_update(run.element.key_version, run.program.host_challenge),
    )


async def met(run: Run, heard: Heard) -> Said:
    """Asked once on its own, an element that tells nothing is asked no more."""
    meet(run, heard)
    run.program.met = True
    return await begin(run, run.program.after)


async def opened(run: Run, heard: Heard) -> Said:
    """The card's cryptogram proves that it is the element; ours lets us in."""
    answer = heard[1]
    if heard.refused:
        raise ElementRefuses.by(CHANNEL, heard.refused)
    if answer is None or not answer.ok:
        raise LookAgain
    program = run.program
    program.greeting = answer.data
    channel, authenticate = await run.system.hsm.open_channel(element_keys(run), program.host_challenge, answer.data)
    run.proved = program.cplc or None
    look = gp.get_status(run.card.profile.aid)
    channel, wrapped = channel.wrap(look)
    program.channel = channel.to_json()
    return run.send(program.after, authenticate, look, wrapped=(authenticate, wrapped))


class Presence(Enum):
    """Whether an instance is in the element, as GET STATUS told; elements differ in how they say no."""

    THERE = auto()
    ABSENT = auto()
    NOT_TOLD = auto()


ABSENT = frozenset({gp.Answer.REFERENCE_NOT_FOUND, gp.Answer.NOT_FOUND})
"""What elements answer where there is no such instance."""


def presence(run: Run, heard: Heard) -> Presence:
    """Read the answers to EXTERNAL AUTHENTICATE and GET STATUS.

    Raises:
        ElementRefuses: it does not let us in.
        LookAgain: an answer was lost.

    """
    opened, told = heard[0], heard[1]
    if opened is not None and not opened.ok:
        raise ElementRefuses.by(CHANNEL, opened.sw)
    if opened is None or told is None:
        raise LookAgain
    if told.sw in ABSENT:
        return Presence.ABSENT
    try:
        found = {one.aid for one in gp.read_status(told.require())}
    except (CardError, Malformed):
        return Presence.NOT_TOLD
    return Presence.THERE if run.card.profile.aid in found else Presence.ABSENT


def send(run: Run, phase: str, *sent: Command) -> Said:
    """Commands over the channel."""
    channel, wrapped = Channel.from_json(run.program.channel).wrap_all(sent)
    run.program.channel = channel.to_json()
    return run.send(phase, *sent, wrapped=wrapped)


PHASES: dict[str, Phase] = {"channel.met": met, "channel.opened": opened}
