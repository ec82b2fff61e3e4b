"""Lists of good training images that are left out of what is learnt."""

from unicodedata import normalize

import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.leave_out import leave_out, read_list
from reb_pipeline.images.samples import good_training, held_out_good

SAMPLES = pd.DataFrame(
    [
        *((f"train/good/{n}", "train", 0) for n in range(12)),
        ("calibration/0", "calibration", 0),
        ("test/good/0", "test", 0),
        ("test/crack/0", "test", 1),
    ],
    columns=["id", "split", "label"],
)


def listed(tmp_path, *lines):
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["image,score,p_value,leave_out", "a,3,0.1,yes", "b,2,0.5,no", "c,1,0.9,"],
        ["image;leave_out", "a;X", "b;0"],
        ["leave_out\timage", "TRUE\ta", " No \tb"],
        ["image", "a"],
        ["\ufeffimage,leave_out", "a,1"],
        [" Image , Leave_Out", "a, YES", "b, no", ","],
        ["sep=;", "image;leave_out", "a;yes"],
        ["\ufeffSEP=\t", "image\tleave_out", "a\tyes"],
    ],
)
def test_a_list_is_read_as_people_and_spreadsheets_write_it(tmp_path, lines):
    assert read_list(listed(tmp_path, *lines)) == ["a"]


def test_images_of_the_list_leave_the_training_and_nothing_else_changes(tmp_path):
    path = listed(tmp_path, "image,leave_out", "train/good/3,yes", "train/good/4,no")
    found = leave_out(SAMPLES, path)
    assert found["id"].tolist() == SAMPLES["id"].tolist()
    assert found.loc[found["split"] != SAMPLES["split"], "id"].tolist() == ["train/good/3"]
    assert len(good_training(found)) == 11
    assert held_out_good(found)["id"].tolist() == ["calibration/0"]
    assert set(SAMPLES["split"]) == {"train", "calibration", "test"}  # the table given stays


@pytest.mark.parametrize("name", ["train/good/Stück", "train/good/Stu\u0308ck"])
def test_letters_may_be_composed_or_not(tmp_path, name):
    samples = SAMPLES.replace("train/good/3", normalize("NFD", "train/good/Stück"))
    found = leave_out(samples, listed(tmp_path, "image", name))
    assert found.loc[found["split"] != samples["split"], "id"].tolist() == [
        "train/good/Stu\u0308ck"
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["image", "calibration/0"],
            "in the calibration split: a false-alarm rate is promised only",
        ),
        (["image", "test/good/0"], "no good training image"),
        (["image", "test/crack/0"], "no good training image"),
        (["image", "train/good/33"], "did you mean 'train/good/3"),
        (["image", *(f"train/good/{n}" for n in range(12))], "leaves out all 12"),
        (["sep=,", "image,leave_out", "train/good/1,perhaps"], "Line 3 of .* 'perhaps'"),
        (["image,leave_out", "train/good/1,perhaps"], "Line 2 of .* 'perhaps' .* yes or no"),
        (["path,leave_out", "train/good/1,yes"], "no column 'image'"),
        ([], "no column 'image'"),
        (["image,leave out", "train/good/1,no"], "a column 'leave out': call it 'leave_out'"),
        (["image,leaveout", "train/good/1,no"], "a column 'leaveout': call it 'leave_out'"),
        (
            ["image,leave_out", '"train/good/1,yes', "train/good/2,no"],
            "list.csv' .*close its quotes",
        ),
        (["image", "a" * 200_000], "list.csv' cannot be read as a table"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        leave_out(SAMPLES, listed(tmp_path, *lines))


def test_lines_may_end_as_old_programs_end_them(tmp_path):
    assert read_list(listed(tmp_path, "image,leave_out\ra,yes\rb,no\r")) == ["a"]


def test_names_that_look_like_formulas_are_found_with_and_without_the_guard(tmp_path):
    samples = pd.DataFrame({"id": ["=1", "-2", "'-2", "c"], "split": "train", "label": 0})
    for name, left_out in (("'=1", "=1"), ("=1", "=1"), ("-2", "-2"), ("'-2", "'-2")):
        found = leave_out(samples, listed(tmp_path, "image", name))
        assert found.loc[found["split"] == "left out", "id"].tolist() == [left_out]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00image"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "list.csv"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"leave_out = '.*list.csv' cannot be read"):
        read_list(str(path))
