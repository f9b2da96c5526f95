"""Cards come onto the books: a batch is checked against the keys and the books, and taken in whole or not at all."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tongka.card import commands
from tongka.errors import Malformed, Refused, RepeatedWithOtherContents
from tongka.journeys import looks
from tongka.journeys.card_list import CardLine, digest_of
from tongka.journeys.listing import Mistake
from tongka.journeys.operators import REASON_MAX, require_text
from tongka.journeys.refusals import CardStateWrong
from tongka.journeys.sale import SFI_15
from tongka.store import card_stock, cards
from tongka.store.card_stock import NewBatch
from tongka.store.db import Database
from tongka.store.stamp import Stamp
from tongka.system import System

NO_CHALLENGE = bytes(8)
"""No card takes a MAC over it: it is asked for to see whether the keys are there."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A list that may come in, or what is wrong with it; `known`: this very list is there under this name."""

    batch: NewBatch
    mistakes: list[Mistake]
    known: bool = False


async def check(system: System, name: str, lines: Sequence[CardLine]) -> Checked:
    """Look whether a batch may come in; nothing is changed.

    Raises:
        Malformed: the batch's name, or it has no cards.
        RepeatedWithOtherContents: another list came in under that name.

    """
    if not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", name, re.ASCII):
        raise Malformed("--batch", "is named with 1 to 64 letters, digits, '.', '_' and '-'")
    if not lines:
        raise Malformed("file", "has no cards below its headings")
    batch = NewBatch(name, digest_of(lines), [(line.card, line.balance_fen) for line in lines])
    known = await card_stock.digest_of(system.database, name)
    if known is not None and known != batch.digest:
        raise RepeatedWithOtherContents(f"batch {name} came in with another list; name another")
    if known is not None:
        return Checked(batch, [], known=True)
    taken = await card_stock.taken(system.database, [line.card.card_no for line in lines])
    mistakes = [*await _without_keys(system, lines), *_taken_before(lines, taken)]
    return Checked(batch, sorted(mistakes))


def _taken_before(lines: Sequence[CardLine], taken: dict[str, str]) -> Iterator[Mistake]:
    for line in lines:
        number = line.card.card_no
        if number in taken:
            came = f"in batch {taken[number]}" if taken[number] else "otherwise"
            yield Mistake(line.row, f"card number: {number} is on the books already; it came {came}")


async def _without_keys(system: System, lines: Sequence[CardLine]) -> list[Mistake]:
    """A card whose keys nobody can derive could never be sold: asked once for each type and version."""
    first = {(line.card.profile, line.card.key_version): line for line in reversed(lines)}
    mistakes: list[Mistake] = []
    for line in first.values():
        card = looks.card_of(line.card)
        header = commands.update_binary_header(SFI_15, 0, line.card.file15)
        try:
            await system.hsm.secure_mac(card.keys(), NO_CHALLENGE, header)
        except Refused as wrong:
            mistakes.append(Mistake(line.row, f"key version: {wrong}"))
    return mistakes


async def block(database: Database, card_no: str, reason: str, stamp: Stamp) -> None:
    """Put a card on the blacklist: no interface loads it any more. Again changes nothing."""
    await _turn(database, card_no, (looks.NORMAL, looks.BLACKLISTED), reason, stamp)


async def unblock(database: Database, card_no: str, reason: str, stamp: Stamp) -> None:
    """Take a card off the blacklist. Again changes nothing."""
    await _turn(database, card_no, (looks.BLACKLISTED, looks.NORMAL), reason, stamp)


async def _turn(database: Database, card_no: str, turn: tuple[str, str], reason: str, stamp: Stamp) -> None:
    """From one status to the other.

    Raises:
        CardNotRegistered: not on our books.
        CardStateWrong: it is returned, lost or expired.

    """
    require_text("--reason", reason, REASON_MAX)
    if await cards.turn_status(database, card_no, turn, stamp, reason):
        return
    card = await cards.find(database, card_no)
    if card is None:
        raise cards.CardNotRegistered(f"card {card_no} is not on our books")
    if card.status not in turn:
        raise CardStateWrong(f"card {card_no} has status {card.status}: neither normal nor blacklisted")
