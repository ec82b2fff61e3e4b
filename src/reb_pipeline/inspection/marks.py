"""Marks of people on verdicts: parts that were flagged wrongly, and defective parts that were missed.

The report and the service write the same file. A mark names the image by the hash of its file, so it holds wherever the
image lies, and says what a later training may learn: a false alarm is a good part, a missed one is defective.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from reb_pipeline.calibration.verdicts import DEFECTIVE, GOOD
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.folder_files import Files
from reb_pipeline.core.records import load_described

MARKS_FILE = "marks.json"
FORMAT, FORMAT_VERSION = "reb-pipeline marks", 1
MarkName = Literal["false alarm", "missed"]
FALSE_ALARM: MarkName
MISSED: MarkName
FALSE_ALARM, MISSED = get_args(MarkName)
VERDICT_OF = {FALSE_ALARM: DEFECTIVE, MISSED: GOOD}  # the only verdict that each mark corrects
_HASH_DIGITS = 64


@dataclass(frozen=True)
class Mark:
    """Correction of the verdict on one image.

    Attributes:
        image_sha256: SHA-256 of the image's file, 64 hexadecimal digits.
        verdict: Verdict that the mark corrects: ``"defective"`` of a false alarm, ``"good"`` of a missed part.
        mark: ``"false alarm"`` or ``"missed"``.
        when: Time of the mark, ISO 8601 with its time zone.

    Raises:
        InputError: If a value is none of these.

    Example:
        >>> from reb_pipeline.inspection.marks import Mark, marks_json, read_marks
        >>> mark = Mark("0" * 64, "defective", "false alarm", "2026-01-31T09:15:00Z")
        >>> read_marks(marks_json([mark]), "marks.json") == [mark]
        True
    """

    image_sha256: str
    verdict: str
    mark: str
    when: str

    def __post_init__(self) -> None:
        if not _is_hash(self.image_sha256):
            raise InputError(
                f"'{self.image_sha256}' is no SHA-256 of an image: 64 hexadecimal digits."
            )
        if self.mark not in VERDICT_OF:
            raise InputError(f"'{self.mark}' is no mark: give one of {', '.join(VERDICT_OF)}.")
        if self.verdict != VERDICT_OF[self.mark]:
            raise InputError(
                f"A part that is '{self.verdict}' cannot be marked as '{self.mark}': that mark is for parts that are "
                f"{VERDICT_OF[self.mark]}."
            )
        if not _is_time(self.when):
            raise InputError(f"'{self.when}' is no time: give one as 2026-01-31T09:15:00Z.")


def marks_json(marks: Iterable[Mark]) -> bytes:
    """Write marks as a JSON file."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "marks": [asdict(mark) for mark in marks],
    }
    return f"{json.dumps(content, indent=1)}\n".encode()


def read_marks(data: bytes, source: str) -> list[Mark]:
    """Read a file of :func:`marks_json`, or of a report.

    Args:
        data: Content of the file.
        source: Its name, for the error message.

    Returns:
        The marks, at most one of each image: the last one in the file.

    Raises:
        InputError: If it is no such file.
    """
    try:
        content = load_described(data, FORMAT, FORMAT_VERSION, "marks")
    except ValueError as error:
        raise _wrong(source, str(error)) from error
    if not isinstance(content.get("marks"), list):
        raise _wrong(source, "has no list of marks")
    marks = [_mark(entry, source) for entry in content["marks"]]
    return list({mark.image_sha256: mark for mark in marks}.values())


def saved_marks(files: Files) -> list[Mark]:
    """Read the marks that lie in an output folder; none if there is no such file.

    Raises:
        InputError: If the file cannot be used.
    """
    return read_marks(files[MARKS_FILE], MARKS_FILE) if MARKS_FILE in files else []


def _mark(entry: Any, source: str) -> Mark:
    fields = Mark.__dataclass_fields__
    if not isinstance(entry, dict) or not entry.keys() >= fields.keys():
        raise _wrong(source, f"has a mark without {', '.join(fields)}")
    try:
        return Mark(*(str(entry[name]) for name in fields))
    except InputError as error:
        raise _wrong(source, f"has a mark that cannot be used ({str(error)[:-1]})") from error


def _wrong(source: str, fault: str) -> InputError:
    return InputError(f"'{source}' {fault}: save the marks again in the report or the service.")


def _is_hash(text: str) -> bool:
    return len(text) == _HASH_DIGITS and set(text) <= set("0123456789abcdef")


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
