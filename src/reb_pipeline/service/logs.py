"""Logs with one JSON object per line."""

import json
import logging
from datetime import UTC, datetime


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


def log_as_json_lines() -> None:
    """Write all records from level INFO upwards to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
