"""Layouts give each image its part, or say in one sentence why they cannot."""

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import CSVListDataset, PlainFolderDataset
from reb_pipeline.project.photos import find_categories
from reb_pipeline.project.run_folder import _as_default

PATTERN = r"^(.*)_\d+$"
ANY_FOLDER = r"/(\d+)_\d+$"


def write(root, *names):
    for name in names:
        (root / "bolt" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "bolt" / name).touch()


def load(root, group_by=PATTERN, **split):
    split = {"test": 0.3, "group_by": group_by, **split}
    return PlainFolderDataset(path=root, category="bolt", split=split).load()


@pytest.fixture
def root(tmp_path):
    write(tmp_path, *(f"good/{part:02}_{view}.png" for part in range(60) for view in range(2)))
    write(tmp_path, "bent/70_0.png", "bent/71_0.png", "bent/71_1.png")
    return tmp_path


def test_samples_know_their_part_and_numbers_are_those_of_parts(root):
    table = load(root).table
    assert set(table["group_by"]) == {PATTERN}
    assert table["part"].tolist() == [one.rpartition("_")[0] for one in table["id"]]
    by_split = table[table["label"] == 0].groupby("split")["part"].nunique()
    assert by_split.to_dict() == {"calibration": 19, "test": 18, "train": 23}
    assert len(table[["part", "split"]].drop_duplicates()) == table["part"].nunique()


def test_without_an_expression_nothing_is_added(root):
    table = PlainFolderDataset(path=root, category="bolt").load().table
    assert not {"part", "group_by"} & set(table)


def test_defective_parts_may_have_fewer_views_or_a_good_one(root):
    write(
        root, "bent/03_2.png"
    )  # the part 03 of the good ones, by an expression without the folder
    table = load(root, ANY_FOLDER).table.set_index("id")
    assert table.loc[["good/03_0", "good/03_1", "bent/03_2"], "part"].tolist() == ["03"] * 3
    assert set(table.loc[table["part"] == "03", "split"]) == {"test"}


@pytest.mark.parametrize(
    ("group_by", "added", "sentence"),
    [
        (r"^(\d+)$", [], "finds no part in the image 'good/00_0' and 122 of 122 others"),
        (PATTERN, ["good/odd.png"], "finds no part in the image 'good/odd': correct"),
        (PATTERN, ["bent/odd.png"], "finds no part in the image 'bent/odd': correct"),
        (PATTERN, ["good/70_2.png"], "'good/70' of bolt has 1 and the good part '.*' 2 images"),
        (PATTERN, ["good/00_2.png"], "and the good part 'good/00' 3 images: the false-alarm rate"),
        (r"^(\w+)/", [], "finds one part, 'good', in all 120 good images of bolt"),
    ],
)
def test_an_expression_that_does_not_fit_is_refused(root, group_by, added, sentence):
    write(root, *added)
    with pytest.raises(InputError, match=sentence):
        load(root, group_by)


def test_views_of_one_part_cannot_have_two_splits_of_a_list(tmp_path):
    rows = [f"{part}_{view}.png,good,train" for part in range(4) for view in range(2)]
    rows[1] = "0_1.png,good,calibration"
    (tmp_path / "bolt.csv").write_text("\n".join(["path,label,split", *rows]))
    for row in rows:
        (tmp_path / row.partition(",")[0]).touch()
    dataset = CSVListDataset(path=tmp_path, category="bolt", split={"group_by": PATTERN})
    with pytest.raises(InputError, match=r"the part '0' of bolt is both for .* and for"):
        dataset.load()


def test_a_training_counts_parts(root):
    (category,), _ = find_categories(str(root / "bolt"), "bolt", 0.05, {"group_by": PATTERN})
    assert category.statement().startswith("120 good photos of 60 parts, 3 defective ones")
    shares = category.shares
    assert (shares.train + shares.calibration + shares.test, shares.units) == (60, "parts")
    assert category.n_learnt == 2 * shares.train
    assert shares.statement(0.05).startswith("5 % needs 19 calibration parts; of 60 good ones")
    assert category.split["group_by"] == PATTERN
    assert _as_default("group_by", PATTERN) == PATTERN  # no value of an interpolation
