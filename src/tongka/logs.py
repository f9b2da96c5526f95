"""What the processes write to standard error: structlog by the settings, tracebacks without the values of variables.

A traceback that shows local variables, as structlog's does by itself, would write keys and personal data into the log
at the first fault of ours. What libraries log (uvicorn, asyncpg, asyncio) goes the same way and has the same form, from
warnings on. Times are the city's, with their offset.
"""

import logging
import sys
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer, JSONRenderer, add_log_level
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.tracebacks import ExceptionDictTransformer

from tongka.days import ZONE
from tongka.settings_monitoring import Log

NAMED = logging.getLevelNamesMapping()

TOLD_BY_US = {"asyncpg.pool": "Failed to restore the pool connection"}
"""Messages of libraries that the house tells once, in its own words; by logger, how they begin."""


def configure(log: Log) -> None:
    """From now on every logger of this process writes so."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, add_log_level, _add_time, *_renderers(log.format)],
        wrapper_class=structlog.make_filtering_bound_logger(NAMED[log.level.upper()]),
        logger_factory=_to_standard_error,
    )
    _configure_libraries(log)


def in_json() -> bool:
    """Whether lines are JSON now."""
    return isinstance(structlog.get_config()["processors"][-1], JSONRenderer)


def timestamp() -> str:
    """Now, in the city's time with its offset: ``2026-11-21T16:27:35.123+08:00``."""
    return datetime.now(ZONE).isoformat(timespec="milliseconds")


def _add_time(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = timestamp()
    return event


def _to_standard_error(*_: Any) -> structlog.PrintLogger:
    """What is standard error when something is written, not when this process began."""
    return structlog.PrintLogger(sys.stderr)


def _renderers(form: str) -> list[Any]:
    if form == "json":
        return [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), JSONRenderer(ensure_ascii=False)]
    return [ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)]


# --- libraries --------------------------------------------------------------------------------------------------------


class _Handler(logging.Handler):
    """Writes to what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")

    def filter(self, record: logging.LogRecord) -> bool:
        beginning = TOLD_BY_US.get(record.name)
        return beginning is None or not record.getMessage().startswith(beginning)


def _configure_libraries(log: Log) -> None:
    handler = _Handler()
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[add_logger_name, add_log_level, _add_time],
            processors=[ProcessorFormatter.remove_processors_meta, *_renderers(log.format)],
        )
    )
    root = logging.getLogger()
    for earlier in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(max(NAMED[log.level.upper()], logging.WARNING))
