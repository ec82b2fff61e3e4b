"""Magnetic Tile Defects: the whole data set, where it lies beside the project."""

from pathlib import Path

import pytest

from reb_pipeline import datasets
from reb_pipeline.core.text_lists import from_text

SHARED_TILES = Path(__file__).parents[4] / "shared/data/magnetic_tile"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED_TILES.is_dir(), reason="needs the shared magnetic tiles")
def test_all_magnetic_tiles() -> None:
    dataset = datasets.MagneticTileDataset(path=SHARED_TILES, category="magnetic_tile")
    table = dataset.load().table
    assert table["label"].value_counts().to_dict() == {0: 952, 1: 392}
    assert (table["mask_paths"].map(from_text).map(len) == table["label"]).all()
