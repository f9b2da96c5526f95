"""Requests and how they were answered: counted for /metrics, one line each in the log, refused signatures at warning.

The way of a request pays for two clock readings, one look-up in a dictionary and, where lines are on, one line that is
made here rather than by structlog, which needs ten times as long. Counting takes no locks: a process has one thread
that serves.
"""

import sys
from bisect import bisect_left
from collections.abc import Mapping
from time import perf_counter
from typing import Any, TypeVar

import msgspec
import structlog

from tongka import logs
from tongka.errors import Refused, TongkaError
from tongka.settings_monitoring import Log

OK = "ok"
UNPROVEN = "*unproven"
"""The operation under which a process counts, for each interface, what nobody vouched for."""
REPEATED = "repeated"
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the durations' buckets; a last bucket has what took longer."""
WARNINGS_PER_MINUTE = 10
"""Of one interface in one process: anybody who reaches the port can send what nobody vouches for."""
CLAIMED_MAX = 40

log = structlog.get_logger()
T = TypeVar("T")

Counts = dict[tuple[str, str, str], list[float]]
"""(interface, operation, code) → requests in each bucket, then the sum of their seconds."""


class Seen:
    """What is known of one request so far.

    Attributes:
        party: who asks, or claims to.
        number: the request's own, as the partner gave it.
        code: how it was answered: `ok`, `repeated`, or the stable code of an error.
        believed: whether somebody's signature or token vouches for it.

    """

    __slots__ = (
        "address",
        "began",
        "believed",
        "card_no",
        "code",
        "interface",
        "number",
        "operation",
        "order_no",
        "party",
    )

    def __init__(self, interface: str, operation: str, address: str = "") -> None:
        self.interface = interface
        self.operation = operation
        self.address = address
        self.party = self.number = self.order_no = self.card_no = ""
        self.code = OK
        self.believed = False
        self.began = perf_counter()

    def of(self, outcome: T) -> T:
        """Take from a journey's outcome what it says of the answer; the outcome."""
        if isinstance(outcome, TongkaError):
            self.code = outcome.code
        elif (order := getattr(outcome, "order", None)) is not None:
            self.order_no, self.card_no = order.order_no, order.card_no
        return outcome


class Traffic:
    """The counts of one process."""

    def __init__(self, log_settings: Log | None = None, counts: Counts | None = None) -> None:
        """`log_settings`: without them nothing is written; `counts`: to go on from."""
        self.counts: Counts = counts if counts is not None else {}
        self._lines = bool(log_settings and log_settings.requests and log_settings.level in {"debug", "info"})
        self._write = _json_line if log_settings and log_settings.format == "json" else _text_line
        self._warned: dict[str, tuple[int, int]] = {}

    def end(self, seen: Seen) -> None:
        """The request is answered."""
        took_s = perf_counter() - seen.began
        self._count(seen.interface, seen.operation, seen.code, took_s)
        if self._lines:
            sys.stderr.write(self._write(seen, took_s))

    def _count(self, interface: str, operation: str, code: str, took_s: float) -> None:
        row = self.counts.get((interface, operation, code))
        if row is None:
            row = self.counts[interface, operation, code] = [0.0] * (len(BOUNDS_S) + 2)
        row[bisect_left(BOUNDS_S, took_s)] += 1
        row[-1] += took_s

    def refused(self, seen: Seen, error: TongkaError) -> None:
        """The request is answered with an error; who is not believed is told of, at a bounded rate."""
        seen.code = error.code
        if not seen.believed and isinstance(error, Refused):
            self.unproven(seen, str(error))

    def unproven(self, seen: Seen, why: str) -> None:
        """Nobody vouches for what is refused: one warning, or a count of those that were passed over."""
        self._count(seen.interface, UNPROVEN, seen.code, 0.0)
        minute = int(perf_counter()) // 60
        since, count = self._warned.get(seen.interface, (minute, 0))
        passed_over = max(0, count - WARNINGS_PER_MINUTE) if since != minute else 0
        count = 0 if since != minute else count
        self._warned[seen.interface] = minute, count + 1
        if count < WARNINGS_PER_MINUTE:
            log.warning(
                "refused unproven", interface=seen.interface, operation=seen.operation,
                claims=seen.party[:CLAIMED_MAX], address=seen.address, code=seen.code, text=why,
                passed_over=passed_over,
            )  # fmt: skip


def masked(card_no: str) -> str:
    """The first and last four digits: enough to find a card by, not to name it."""
    return f"{card_no[:4]}{'*' * (len(card_no) - 8)}{card_no[-4:]}" if len(card_no) > 8 else "*" * len(card_no)


def _fields(seen: Seen, took_s: float) -> Mapping[str, Any]:
    return {
        "interface": seen.interface,
        "operation": seen.operation,
        "institution": seen.party[:CLAIMED_MAX],
        "request": seen.number,
        "order": seen.order_no,
        "card": masked(seen.card_no),
        "code": seen.code,
        "ms": round(took_s * 1000, 1),
    }


def _json_line(seen: Seen, took_s: float) -> str:
    said = {"event": "request", **_fields(seen, took_s), "level": "info", "timestamp": logs.timestamp()}
    return msgspec.json.encode(said).decode() + "\n"


def _text_line(seen: Seen, took_s: float) -> str:
    """What a stranger claims to be may hold line ends: everything is shown as ASCII."""
    said = " ".join(f"{name}={value}" for name, value in _fields(seen, took_s).items() if value != "")
    return f"{logs.timestamp()} [info     ] request {ascii(said)[1:-1]}\n"
