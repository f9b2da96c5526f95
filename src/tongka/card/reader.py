"""A card in a PC/SC reader, through pyscard (the extra ``pcsc``)."""

from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Self

from tongka.card.apdu import Response
from tongka.errors import CardGone, Misconfigured

GET_RESPONSE = bytes.fromhex("00C00000")
MORE_DATA = 0x61
"""SW1 of a T=0 card that has its answer ready: SW2 bytes are to be fetched."""


class _Pcsc(NamedTuple):
    """The parts of pyscard used here."""

    system: ModuleType
    errors: ModuleType


def _pcsc() -> _Pcsc:
    try:
        from smartcard import Exceptions, System  # noqa: PLC0415 - an optional extra
    except ImportError as missing:
        raise Misconfigured(
            "pyscard is not installed; install the extra with `pip install 'tongka[pcsc]'`"
            " (Debian: first apt-get install libpcsclite-dev swig gcc)"
        ) from missing
    return _Pcsc(System, Exceptions)


def _readers() -> list[Any]:
    pcsc = _pcsc()
    try:
        found: list[Any] = pcsc.system.readers()
    except Exception as failed:  # pyscard raises classes of its C layer that it does not export
        raise Misconfigured(f"no PC/SC service answers ({failed}); start pcscd") from failed
    return found


def reader_names() -> list[str]:
    """The readers that PC/SC knows, with or without a card.

    Raises:
        Misconfigured: pyscard or the PC/SC service is missing; names the remedy.

    """
    return [str(reader) for reader in _readers()]


def _reader(name: str) -> Any:
    """The reader whose name is `name`, or else begins with it."""
    known = {str(reader): reader for reader in _readers()}
    fitting = [reader for full, reader in known.items() if full.startswith(name)]
    if name in known or fitting:
        return known.get(name) or fitting[0]
    raise Misconfigured(f"there is no reader {name!r}; there are: {', '.join(known) or 'none'}")


class PcscCard:
    """A `CardChannel` onto the card in one reader; a context manager that disconnects at the end."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._errors = _pcsc().errors

    @classmethod
    def connect(cls, reader: str) -> Self:
        """Connect to the card in `reader`, a name as `reader_names` gives it, or its beginning.

        Raises:
            Misconfigured: no such reader, no pyscard, no PC/SC service.
            CardGone: no card in the reader, or it does not answer.

        """
        card = cls(_reader(reader).createConnection())
        try:
            card._connection.connect()
        except card._errors.SmartcardException as failed:
            card.close()
            raise CardGone(f"no card answers in {reader}: {failed}") from failed
        return card

    def __enter__(self) -> Self:
        """Nothing more to do: `connect` did it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self.close()

    def close(self) -> None:
        """Let the card and the PC/SC service go; harmless when either is gone already."""
        with suppress(self._errors.SmartcardException):
            self._connection.release()

    def transmit(self, apdu: bytes) -> Response:
        """Send one APDU, fetching a T=0 card's answer where that is a second step; see `CardChannel`."""
        answer = self._send(apdu)
        data = answer.data
        while answer.sw >> 8 == MORE_DATA:
            answer = self._send(GET_RESPONSE + bytes((answer.sw & 0xFF,)))
            data += answer.data
        return Response(data, answer.sw)

    def _send(self, apdu: bytes) -> Response:
        try:
            data, sw1, sw2 = self._connection.transmit(list(apdu))
        except self._errors.SmartcardException as failed:
            raise CardGone(f"the card left the reader: {failed}") from failed
        return Response(bytes(data), sw1 << 8 | sw2)
