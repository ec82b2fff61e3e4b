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


def from_text(text: str | Iterable[Any]) -> list[Any]:
    """Read a list back; a list or array, as Parquet files of before hold, is returned as a list.

    Raises:
        TypeError: If this is neither.
        ValueError: If this is a text, but no JSON.
    """
    if not isinstance(text, str):
        return list(text)
    values: list[Any] = json.loads(text)
    return values
