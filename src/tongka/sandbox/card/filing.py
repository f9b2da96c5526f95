"""SELECT and the reading commands of the software card."""

from collections.abc import Mapping
from types import MappingProxyType

from tongka.card.apdu import LE_MAX, StatusWord
from tongka.card.commands import PSE_NAME, CommandKind, FileRef
from tongka.card.files import FILES, FileKind
from tongka.errors import Malformed
from tongka.sandbox.card.state import Context, Handler, Outcome, Refusal, Session, answer

MASTER_FILE = "3F00"


def select(ctx: Context) -> Outcome:
    """P1 04 selects by name, 00 by file identifier."""
    match ctx.command.p1:
        case 0x04:
            return _select_name(ctx)
        case 0x00:
            return _select_fid(ctx)
        case _:
            raise Refusal(StatusWord.WRONG_PARAMETERS)


def _select_name(ctx: Context) -> Outcome:
    name = ctx.command.data
    if name == PSE_NAME:
        return _select_master(ctx)
    if name != ctx.image.type.aid:
        raise Refusal(StatusWord.FILE_NOT_FOUND)
    return _select_application(ctx, name)


def _select_master(ctx: Context) -> Outcome:
    _enter(ctx.session, None)
    return answer(_fci(PSE_NAME, _tlv("88", b"\x01")))


def _select_application(ctx: Context, aid: bytes) -> Outcome:
    """A permanently blocked application is not entered; a temporarily blocked one is, to be unblocked [M]."""
    if ctx.image.app_blocked == "permanent":
        _enter(ctx.session, None)
        raise Refusal(StatusWord.APPLICATION_LOCKED)
    _enter(ctx.session, aid)
    if ctx.image.app_blocked:
        raise Refusal(StatusWord.NOT_SUPPORTED)
    return answer(_fci(aid, _tlv("9F08", b"\x02") + _tlv("9F0C", ctx.image.files["0015"])))


def _select_fid(ctx: Context) -> Outcome:
    data = ctx.command.data
    if len(data) != 2:
        raise Refusal(StatusWord.WRONG_LENGTH)
    fid = data.hex().upper()
    if fid == MASTER_FILE:
        return _select_master(ctx)
    _require_file(ctx, fid)
    ctx.session.current_file = fid
    return answer(_tlv("6F", _tlv("83", data)))


def _enter(session: Session, aid: bytes | None) -> None:
    """A challenge outlives the selection: scripts begin with SELECT."""
    session.aid, session.current_file, session.pin_verified = aid, None, False


def _tlv(tag: str, value: bytes) -> bytes:
    return bytes.fromhex(tag) + bytes((len(value),)) + value


def _fci(name: bytes, proprietary: bytes) -> bytes:
    return _tlv("6F", _tlv("84", name) + _tlv("A5", proprietary))


# --- reading ----------------------------------------------------------------------------------------------------------


def read_binary(ctx: Context) -> Outcome:
    ref = FileRef.of_binary(ctx.command)
    content = _transparent(ctx, _fid(ctx, ref))
    if ref.offset >= len(content):
        raise Refusal(StatusWord.WRONG_OFFSET)
    rest, le = content[ref.offset :], ctx.command.le or LE_MAX
    if le != LE_MAX and le > len(rest):
        raise Refusal(StatusWord.WRONG_LE | len(rest) & 0xFF)
    return answer(rest[:le])


def read_record(ctx: Context) -> Outcome:
    try:
        ref = FileRef.of_record(ctx.command)
    except Malformed:
        raise Refusal(StatusWord.WRONG_PARAMETERS) from None
    record = _record(_records(ctx, _fid(ctx, ref)), ref)
    if ctx.command.le not in (None, LE_MAX, len(record)):
        raise Refusal(StatusWord.WRONG_LE | len(record) & 0xFF)
    return answer(record)


def _record(records: tuple[bytes, ...], ref: FileRef) -> bytes:
    if ref.by_id:
        found = next((record for record in records if record[0] == ref.number), None)
    else:
        found = records[ref.number - 1] if 1 <= ref.number <= len(records) else None
    if found is None:
        raise Refusal(StatusWord.RECORD_NOT_FOUND)
    return found


def _fid(ctx: Context, ref: FileRef) -> str:
    fid = ref.fid or ctx.session.current_file
    if fid is None:
        raise Refusal(StatusWord.NO_CURRENT_FILE)
    _require_file(ctx, fid)
    ctx.session.current_file = fid
    return fid


def _require_file(ctx: Context, fid: str) -> None:
    """All files belong to the purse application; record files exist even while they are empty."""
    if ctx.session.aid is None or not (fid in ctx.image.files or _has_records(fid)):
        raise Refusal(StatusWord.FILE_NOT_FOUND)


def _has_records(fid: str) -> bool:
    return fid in FILES and FILES[fid].kind is not FileKind.TRANSPARENT


def _transparent(ctx: Context, fid: str) -> bytes:
    if _has_records(fid):
        raise Refusal(StatusWord.WRONG_FILE_TYPE)
    return ctx.image.files[fid]


def _records(ctx: Context, fid: str) -> tuple[bytes, ...]:
    if not _has_records(fid):
        raise Refusal(StatusWord.WRONG_FILE_TYPE)
    return ctx.image.records_of(fid)


def update_binary(_ctx: Context) -> Outcome:
    """Every file of the purse is written under secure messaging only."""
    raise Refusal(StatusWord.SECURITY_NOT_SATISFIED)


HANDLERS: Mapping[CommandKind, Handler] = MappingProxyType(
    {
        CommandKind.SELECT: select,
        CommandKind.READ_BINARY: read_binary,
        CommandKind.READ_RECORD: read_record,
        CommandKind.UPDATE_BINARY: update_binary,
    }
)
