"""CSV files that people edit in spreadsheets."""

import csv
import io
from typing import Any

from reb_pipeline.core.errors import InputError

_FORMULA = tuple("=+-@＝＋－＠")
_GUARD = "'"


def no_formula(value: Any) -> Any:
    """Put an apostrophe before a text that spreadsheets take for a formula; other values stay.

    Names of files may come from anyone; OWASP advises this ("CSV Injection").

    Example:
        >>> [no_formula(value) for value in ("=1+1.png", "a.png", -0.5)]
        ["'=1+1.png", 'a.png', -0.5]
    """
    is_formula = isinstance(value, str) and value.lstrip().startswith(_FORMULA)
    return f"{_GUARD}{value}" if is_formula else value


def without_guard(value: str) -> str:
    """Undo :func:`no_formula`.

    Example:
        >>> [without_guard(value) for value in ("'=1+1.png", "'a.png")]
        ['=1+1.png', "'a.png"]
    """
    text = value.removeprefix(_GUARD)
    return text if no_formula(text) == value else value


def read_rows(text: str, name: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    r"""Read a table with commas, semicolons or tabs between its columns; Excel's first line ``sep=;`` is skipped.

    Args:
        text: Content of the file, without a byte order mark.
        name: Its name, for the error message.

    Returns:
        Names of the columns, in lower case and without spaces around, and each row's last line in the file and its
        values by column, empty where the row is short.

    Raises:
        InputError: If a quote is not closed, or it is no table.

    Example:
        >>> read_rows("Image;leave_out\na.png;yes\n", "list.csv")
        (['image', 'leave_out'], [(2, {'image': 'a.png', 'leave_out': 'yes'})])
    """
    lines = io.StringIO(text, newline="")
    header = lines.readline()
    above = 0  # lines before the names of the columns
    if header.strip().lower().startswith("sep="):
        above, start, header = 1, lines.tell(), lines.readline()
        lines.seek(start)
    else:
        lines.seek(0)
    reader = csv.DictReader(lines, delimiter=max(",;\t", key=header.count), restval="", strict=True)
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        rows = [(above + reader.line_num, row) for row in reader]
    except csv.Error as error:
        line = above + reader.line_num
        msg = (
            f"'{name}' cannot be read as a table ({error}, after line {line}): close its quotes, or save it again as "
            f"CSV in UTF-8."
        )
        raise InputError(msg) from error
    return columns, rows
