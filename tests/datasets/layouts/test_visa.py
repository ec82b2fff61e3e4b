"""VisA: the table that names its images."""

from pathlib import Path

import pytest

import miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError


def test_broken_or_missing_table(tmp_path: Path) -> None:
    root = miniatures.make_visa(tmp_path)
    dataset = datasets.VisADataset(path=root, category="candle")
    (root / "split_csv/1cls.csv").write_text("object,image\ncandle,a.JPG\n")
    with pytest.raises(InputError, match=r"lacks the columns \['label', 'mask', 'split'\]"):
        dataset.load()
    (root / "split_csv/1cls.csv").unlink()
    with pytest.raises(InputError, match=r"1cls.csv' does not exist"):
        dataset.load()
