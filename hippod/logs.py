"""Logs to stderr, one line an event, as text for people or JSON for programs. Control characters never reach the terminal raw."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def setup_logs(level: str, form: str) -> None:
    """Send all logs of the process to stderr; `form` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class _TextFormatter(logging.Formatter):
    """2026-01-31T12:00:00.000Z WARNING hippod.engine: message"""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_moment(record)} {record.levelname:7} {record.name}: {_escaped(record.getMessage())}"
        if record.exc_info:
            # A traceback spans lines; indentation keeps it one event.
            line += "".join(f"\n    {_escaped(part)}" for part in self.formatException(record.exc_info).splitlines())
        return line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {"time": _moment(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event)
