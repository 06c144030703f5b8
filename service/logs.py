"""What does the service say about itself? JSON lines on stderr, without texts, ids or keys."""

import logging
import sys
from typing import Any, Protocol, TextIO, cast

import orjson
import structlog


class Log(Protocol):
    """What a structured logger must do; fields are named, never part of the sentence."""

    def info(self, event: str, **fields: Any) -> Any:
        """Something that is meant to happen."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Something to look at."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Something that failed."""
        ...


def make_log(level: str, stream: TextIO | None = None) -> Log:
    """A logger of JSON lines on `stream` (stderr), from `level` upward."""
    number = logging.getLevelNamesMapping()[level.upper()]
    made = structlog.wrap_logger(
        structlog.WriteLogger(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast(Log, made)


def _to_json(entry: Any, **_: Any) -> str:
    return orjson.dumps(entry, default=str).decode()


class JsonLines(logging.Formatter):
    """Records of the standard library's logging (uvicorn's, and lexmax's own) as JSON lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback becomes the name of its exception."""
        entry = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
        }
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
        return _to_json(entry)


def standard_logging(level: str) -> dict[str, Any]:
    """A configuration for logging.config.dictConfig: everything as JSON lines on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonLines.__name__}"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "lexmax": {"level": level.upper()},
            # Its own start and stop lines repeat ours.
            "uvicorn": {"level": "WARNING"},
        },
    }
