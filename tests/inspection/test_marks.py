import json

import pytest

from reb_pipeline.calibration.verdicts import VERDICTS
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.marks import Mark, marks_json, read_marks

HASH, WHEN = "0f" * 32, "2026-01-31T09:15:00.250Z"
MARK = Mark(HASH, "defective", "false alarm", WHEN)


def file_of(*entries, **changes):
    content = {"format": "reb-pipeline marks", "format_version": 1, "marks": [*entries]}
    return json.dumps({**content, **changes}).encode()


def test_marks_are_read_as_they_were_written():
    marks = [MARK, Mark("00" * 32, "good", "missed", "2026-01-31T10:15:00+01:00")]
    assert read_marks(marks_json(marks), "marks.json") == marks
    entry = json.loads(marks_json([MARK]))["marks"][0]
    assert entry == {
        "image_sha256": HASH, "verdict": "defective", "mark": "false alarm", "when": WHEN,
    }  # fmt: skip


def test_the_last_mark_of_an_image_holds():
    first = {"image_sha256": HASH, "verdict": "good", "mark": "missed", "when": WHEN}
    last = {**first, "verdict": "defective", "mark": "false alarm"}
    assert read_marks(file_of(first, last), "marks.json") == [MARK]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_mark_corrects_one_verdict_only(verdict):
    fitting = {"false alarm": "defective", "missed": "good"}
    for mark, wrong in fitting.items():
        if verdict == wrong:
            assert Mark(HASH, verdict, mark, WHEN).verdict == verdict
        else:
            with pytest.raises(InputError, match=f"cannot be marked as '{mark}'"):
                Mark(HASH, verdict, mark, WHEN)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"<html>", "is no JSON"),
        (b"[]", "is no file of marks"),
        (b'{"format": "reb-pipeline threshold"}', "is no file of marks"),
        (file_of(format_version=2), "format version 2"),
        (file_of(marks={}), "no list of marks"),
        (file_of("x"), "a mark without image_sha256, verdict, mark, when"),
        (file_of({**vars(MARK), "mark": "ugly"}), "'ugly' is no mark"),
        (file_of({**vars(MARK), "image_sha256": "../a"}), "no SHA-256"),
        (file_of({**vars(MARK), "when": "yesterday"}), "is no time"),
        (file_of({**vars(MARK), "when": "2026-01-31"}), "is no time"),
    ],
)
def test_other_files_are_refused_in_a_sentence(data, fault):
    with pytest.raises(InputError, match=fault) as refused:
        read_marks(data, "my marks.json")
    assert str(refused.value).startswith("'my marks.json' ")
    assert str(refused.value).endswith("save the marks again in the report or the service.")
