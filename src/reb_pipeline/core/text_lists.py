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


def masks_of(row: Any) -> tuple[list[str], ...]:
    """Return the arguments that open the masks of a row of samples or scores: paths and, if known, their SHA-256.

    Args:
        row: Row with the columns as attributes.

    Example:
        >>> from types import SimpleNamespace
        >>> from reb_pipeline.core.text_lists import masks_of
        >>> masks_of(SimpleNamespace(mask_paths='["a.png"]', mask_sha256='["1f"]'))
        (['a.png'], ['1f'])
        >>> masks_of(SimpleNamespace(mask_paths='["a.png"]'))  # of an older version
        (['a.png'],)
    """
    hashes = from_text(getattr(row, "mask_sha256", EMPTY))
    paths = from_text(row.mask_paths)
    return (paths, hashes) if hashes else (paths,)
