"""Logs with one JSON object per line."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from reb_pipeline.calibration.verdicts import UNREADABLE

# Loggers of what a reader of the log started. Libraries such as FAISS also say at level INFO how they were loaded.
OWN = ("reb_pipeline", "uvicorn")


class JsonLines(logging.Formatter):
    """Formatter for time, level and message of a record, and its ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line of JSON; a traceback is one of its fields."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class RateLimit(logging.Filter):
    """Filter that lets lines of one kind pass at a limited rate; those of inspected images always pass.

    A kind is the logger, the level, and path and status of a request. The next line that passes says how many of its
    kind were left out before it, in its field ``left_out``.

    Args:
        burst: Lines of a kind that pass at once.
        per_second: Lines of a kind that pass a second in the long run.
    """

    def __init__(self, burst: int = 100, per_second: float = 1.0) -> None:
        super().__init__()
        self._burst = burst
        self._per_second = per_second
        self._kinds: dict[tuple, _Rate] = {}  # clients cannot create kinds

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide if a line passes."""
        fields = getattr(record, "fields", {})
        verdict = fields.get("verdict") or []
        if {verdict} if isinstance(verdict, str) else set(verdict) - {UNREADABLE}:
            return True  # so many as can be inspected
        kind = record.name, record.levelno, fields.get("path"), fields.get("status")
        rate = self._kinds.setdefault(kind, _Rate(self._burst, record.created))
        rate.credit += self._per_second * max(0.0, record.created - rate.time)
        rate.credit, rate.time = min(rate.credit, self._burst), record.created
        if rate.credit < 1:
            rate.left_out += 1
            return False
        rate.credit -= 1
        if rate.left_out:
            record.fields = {**fields, "left_out": rate.left_out}
            rate.left_out = 0
        return True


@dataclass
class _Rate:
    credit: float
    time: float
    left_out: int = 0


def log_as_json_lines() -> None:
    """Write records to standard error as JSON lines, from level INFO upwards; of libraries only warnings and errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
