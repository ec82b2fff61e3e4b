"""ELPV: uncertain cells, and the package that brings the images."""

from pathlib import Path

import pytest

import miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError


def test_uncertain_cells_are_only_tested_on(tmp_path: Path) -> None:
    root = miniatures.make_elpv(tmp_path)
    dataset = datasets.ELPVDataset(path=root, category="poly", include_uncertain=True)
    table = dataset.load().table.set_index("defect_type")
    assert table.loc["probability_0.33", ["split", "label"]].tolist() == ["test", 0]
    assert table.loc["probability_0.67", ["split", "label"]].tolist() == ["test", 1]


def test_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reb_pipeline.datasets.layouts.elpv.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[demo\]'"):
        datasets.ELPVDataset(category="mono").load()


@pytest.mark.parametrize(
    ("category", "good", "defective"), [("mono", 588, 313), ("poly", 920, 402)]
)
def test_from_the_installed_package(category: str, good: int, defective: int) -> None:
    pytest.importorskip("elpv_dataset")
    labels = datasets.ELPVDataset(category=category).load().table["label"]
    assert labels.value_counts().to_dict() == {0: good, 1: defective}
