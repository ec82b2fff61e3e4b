"""Lists of good training images that are left out of what is learnt."""

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
        (["image,leave_out", "train/good/1,perhaps"], "Line 2 of .* 'perhaps' .* yes or no"),
        (["path,leave_out", "train/good/1,yes"], "no column 'image'"),
        ([], "no column 'image'"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        leave_out(SAMPLES, listed(tmp_path, *lines))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00image"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "list.csv"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"leave_out = '.*list.csv' cannot be read"):
        read_list(str(path))
