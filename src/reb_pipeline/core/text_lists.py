"""Lists as JSON text, so that a column of a table has plain values in Parquet, CSV and SQL alike."""

import json
from collections.abc import Iterable
from typing import Any

EMPTY = "[]"


def to_text(values: Iterable[Any]) -> str:
    """Write texts or numbers as a JSON list; a float as the shortest decimal that reads back as the same float."""
    return json.dumps(
        [value if isinstance(value, str) else float(str(value)) for value in values],
        ensure_ascii=False,
    )


def from_text(text: str) -> list[Any]:
    """Read a list back.

    Raises:
        TypeError: If this is no text.
        ValueError: If this is no JSON text.
    """
    values: list[Any] = json.loads(text)
    return values
