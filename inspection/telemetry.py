"""Structured logs: one record an action, with the identifiers of what it was done to."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["console", "json"]


def configure_logs(*, process: str, log_format: LogFormat, level: str = "info") -> None:
    """Send this process's log records to stderr.

    Args:
        process: name of the process, on every record.
        log_format: `json` for machines, `console` for people.
        level: lowest level shown: debug, info, warning or error.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("action"),
            structlog.processors.format_exc_info,
            renderer,
        ]
        if log_format == "json"
        else [
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger; the first argument of a call is the action, the rest are identifiers."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound
