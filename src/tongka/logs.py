"""What the processes write to standard error: structlog by the settings, tracebacks without the values of variables.

A traceback that shows local variables, as structlog's does by itself, would write keys and personal data into the log
at the first fault of ours.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
from structlog.tracebacks import ExceptionDictTransformer

from tongka.settings import Log

NAMED = logging.getLevelNamesMapping()


def configure(log: Log) -> None:
    """From now on every logger of this process writes so."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_log_level,
            TimeStamper(fmt="iso", utc=False),
            *_renderers(log.format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(NAMED[log.level.upper()]),
        logger_factory=_to_standard_error,
    )


def _to_standard_error(*_: Any) -> structlog.PrintLogger:
    """What is standard error when something is written, not when this process began."""
    return structlog.PrintLogger(sys.stderr)


def _renderers(form: str) -> list[Any]:
    if form == "json":
        return [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), JSONRenderer(ensure_ascii=False)]
    return [ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)]
