"""Writing a card's dates and type anew (UPDATE BINARY with MAC): each file that differs, then reading it back.

The first look writes file 15 whatever stands in it, for an update was ordered; later looks, after a break, write only
what still differs.
"""

from collections.abc import Mapping
from dataclasses import replace

from tongka.card import commands
from tongka.card.apdu import StatusWord
from tongka.card.files import File15, File17
from tongka.card.reading import CardReading
from tongka.days import business_date
from tongka.errors import CardAnswersMissing
from tongka.journeys import looks, sale
from tongka.journeys.refusals import CardStateWrong
from tongka.journeys.wallet.program import ElementRefuses, Heard, LookAgain, Phase, Run, Said
from tongka.store import cards
from tongka.store.orders import Order
from tongka.store.wallet import Standing

SFI_15, SFI_17 = 0x15, 0x17
CHALLENGE_LEN = 4
CHALLENGE = 3
"""The place of GET CHALLENGE in the look."""


async def start(run: Run, _: Mapping[str, Order]) -> Said:
    """Also of a card that has expired: its dates are what an update renews."""
    row = run.card.row
    if row.status != looks.NORMAL or not row.enabled:
        raise CardStateWrong(f"card {row.card_no} has status {row.status}, sold: {row.enabled}")
    return _read(run)


def _read(run: Run) -> Said:
    card = run.card
    return run.send(
        "update.read",
        commands.select_purse(card.profile.aid),
        commands.read_binary(SFI_15, length=File15.LENGTH),
        commands.read_binary(SFI_17, length=File17.LENGTH),
        commands.get_challenge(CHALLENGE_LEN),
    )


async def read(run: Run, heard: Heard) -> Said:
    """Write the first file that is not as it should be; or it is finished."""
    card = run.card
    if heard.status(0) == StatusWord.FILE_NOT_FOUND:
        return await run.end_without_card()
    looks.require_all_ok(heard.script)
    reading = looks.read_same_card(heard.script, card)
    due = _due(run, reading)
    if not due:
        valid_to = reading.file15.valid_to
        if valid_to:
            await cards.set_validity(run.system.database, card.card_no, valid_to)
        return run.end(Standing.DONE)
    challenge = heard[CHALLENGE]
    if challenge is None:
        raise CardAnswersMissing("the answer to GET CHALLENGE is missing")
    sfi, content = due[0]
    message = commands.update_binary_header(sfi, 0, content)
    mac = await run.system.hsm.secure_mac(card.keys(), challenge.data, message)
    run.program.done += (sfi,)
    return run.send("update.written", commands.update_binary_mac(sfi, 0, content, mac))


async def written(run: Run, heard: Heard) -> Said:
    """Look at what stands in the file; where the card refused to write it, write it again."""
    if heard.refused:
        run.program.done = run.program.done[:-1]
        raise ElementRefuses.by("update", heard.refused)
    if not heard.all_ok:
        raise LookAgain
    return _read(run)


def _due(run: Run, reading: CardReading) -> list[tuple[int, bytes]]:
    """The files to be written, with their new contents."""
    file15, file17 = reading.file15, reading.file17
    if file17 is None:
        raise CardAnswersMissing("file 0017 is not among the card's answers")
    wanted15 = replace(file15, valid_to=sale.years_later(business_date(run.order.created_at), sale.VALID_YEARS))
    due = [(SFI_15, wanted15.build())] if wanted15 != file15 or SFI_15 not in run.program.done else []
    if run.order.holder_type is not None and run.order.holder_type != file17.card_type:
        due.append((SFI_17, replace(file17, card_type=run.order.holder_type).build()))
    return due


PHASES: dict[str, Phase] = {"update.read": read, "update.written": written}
