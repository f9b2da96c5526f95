"""CAPP: a purchase that writes ride records together with the balance, all or nothing."""

from dataclasses import replace

from tongka.card.apdu import StatusWord
from tongka.card.commands import FileRef
from tongka.card.files import FILES, FileKind, FileType
from tongka.card.purse import TransactionType
from tongka.errors import Malformed
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.state import CappUpdate, Context, Outcome, Refusal, answer

UPDATES_MAX = 8
"""How many updates one transaction may hold; a card's cache is small."""
WRITABLE = frozenset({"0019", "001A", "001E"})


def update_capp_cache(ctx: Context) -> Outcome:
    """Follows INIT FOR CAPP or another of its kind, and waits for the debit."""
    pending = ctx.pending
    if pending is None or pending.init.kind is not TransactionType.CAPP:
        raise Refusal(StatusWord.CONDITIONS_NOT_SATISFIED)
    update = _checked(ctx)
    if len(pending.capp) == UPDATES_MAX:
        raise Refusal(StatusWord.NO_SPACE)
    ctx.session.pending = replace(pending, capp=(*pending.capp, update))
    return answer()


def _checked(ctx: Context) -> CappUpdate:
    try:
        ref = FileRef.of_record(ctx.command)
    except Malformed:
        raise Refusal(StatusWord.WRONG_PARAMETERS) from None
    if ref.fid not in WRITABLE:
        raise Refusal(StatusWord.FILE_NOT_FOUND)
    update = CappUpdate(ref.fid, ref.number, ctx.command.data)
    _check_fits(ctx.image, FILES[ref.fid], update)
    return update


def _check_fits(image: CardImage, file: FileType, update: CappUpdate) -> None:
    if file.kind is FileKind.CYCLIC:
        if file.layout is None or len(update.data) != file.layout.LENGTH:
            raise Refusal(StatusWord.WRONG_LENGTH)
        return
    place = _place(image, update)
    if update.data[:1] != bytes((update.record_id,)):
        raise Refusal(StatusWord.WRONG_DATA)
    if len(update.data) > len(image.records_of(update.fid)[place]):
        raise Refusal(StatusWord.NO_SPACE)


def _place(image: CardImage, update: CappUpdate) -> int:
    for place, record in enumerate(image.records_of(update.fid)):
        if record[0] == update.record_id:
            return place
    raise Refusal(StatusWord.RECORD_NOT_FOUND)


def written(image: CardImage, update: CappUpdate) -> CardImage:
    """The image with one update: prepended to a cyclic file, or over the head of the record that it names."""
    records = image.records_of(update.fid)
    if FILES[update.fid].kind is FileKind.CYCLIC:
        return image.with_records(update.fid, (update.data, *records))
    place = _place(image, update)
    record = update.data + records[place][len(update.data) :]
    return image.with_records(update.fid, (*records[:place], record, *records[place + 1 :]))
