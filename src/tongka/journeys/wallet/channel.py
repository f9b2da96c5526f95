"""The secure channel to an element's security domain: opened, looked through, and resumed from round to round.

The session's keys are made by the HSM, and kept only as the sealed part of the script's state. A channel ends whenever
the element loses its power; then a command is refused, and the script opens another.
"""

from tongka.card import global_platform as gp
from tongka.card.apdu import Command, StatusWord
from tongka.card.secure_channel import Channel, initialize_update
from tongka.card.secure_channel.protocol import CHALLENGE_LEN
from tongka.journeys.wallet.program import Heard, LookAgain, Phase, Run, Said
from tongka.keys import ElementKeys

NOTHING_OR_SOMETHING = frozenset({StatusWord.OK, gp.Answer.REFERENCE_NOT_FOUND})


def element_keys(run: Run) -> ElementKeys:
    return ElementKeys(run.element.se_id, run.element.scp, run.element.key_version, run.element.keys)


async def begin(run: Run, after: str) -> Said:
    """Select the security domain and open a channel; `after` reads EXTERNAL AUTHENTICATE's answer and the status."""
    run.program.host_challenge = run.system.random(CHALLENGE_LEN)
    run.program.after = after
    return run.send(
        "channel.opened",
        gp.select_domain(run.element.security_domain),
        initialize_update(run.element.key_version, run.program.host_challenge),
    )


async def opened(run: Run, heard: Heard) -> Said:
    """The card's cryptogram proves that it is the element; ours lets us in."""
    answer = heard[1]
    if answer is None or not answer.ok:
        raise LookAgain
    program = run.program
    program.greeting = answer.data
    channel, authenticate = await run.system.hsm.open_channel(element_keys(run), program.host_challenge, answer.data)
    look = gp.get_status(run.card.profile.aid)
    channel, wrapped = channel.wrap(look)
    program.channel = channel.to_json()
    return run.send(program.after, authenticate, look, wrapped=(authenticate, wrapped))


def stands(heard: Heard) -> bool:
    """Whether EXTERNAL AUTHENTICATE was accepted and the look answered."""
    return heard.status(0) == StatusWord.OK and heard.status(1) in NOTHING_OR_SOMETHING


def instances(heard: Heard) -> frozenset[bytes]:
    """The applications that GET STATUS told of."""
    told = heard[1]
    return frozenset(one.aid for one in gp.read_status(told.data)) if told and told.ok else frozenset()


def send(run: Run, phase: str, *sent: Command) -> Said:
    """Commands over the channel."""
    channel, wrapped = Channel.from_json(run.program.channel).wrap_all(sent)
    run.program.channel = channel.to_json()
    return run.send(phase, *sent, wrapped=wrapped)


PHASES: dict[str, Phase] = {"channel.opened": opened}
