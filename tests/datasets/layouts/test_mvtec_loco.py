"""MVTec LOCO AD: annotated regions with a saturation each."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import UnreadableImageError


def test_regions_have_their_saturation(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_loco(tmp_path)
    collection = datasets.MVTecLOCODataset(path=root, category="pushpins").load()
    assert collection.has_regions
    masks = collection.samples[-1].mask_paths
    regions = collection.open_regions(masks)
    assert [region[1:] for region in regions] == [(1.0, True), (30.0, False)]
    united = regions[0][0] | regions[1][0]
    assert np.array_equal(united, collection.open_mask(masks))
    assert regions[0][0].any()
    assert not (regions[0][0] & regions[1][0]).any()

    miniatures.write_mask(root / masks[0], regions[0][0], value=17)
    with pytest.raises(UnreadableImageError, match=r"grey value 17, which is none of \[254, 255\]"):
        collection.open_regions(masks)


def test_configuration_that_is_none(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_loco(tmp_path)
    (root / "pushpins/defects_config.json").write_text('[{"pixel_value": 255}]')
    with pytest.raises(InputError, match="is no list of defects"):
        datasets.MVTecLOCODataset(path=root, category="pushpins").load()


def test_masks_without_the_configuration_are_refused(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_loco(tmp_path)
    (root / "pushpins/defects_config.json").unlink()
    dataset = datasets.MVTecLOCODataset(path=root, category="pushpins")
    for use in (dataset.check, dataset.load):
        with pytest.raises(
            InputError, match=r"defects_config\.json' is missing, so AU-sPRO cannot"
        ):
            use()
    shutil.rmtree(root / "pushpins/ground_truth")  # without masks nothing is left out
    assert not dataset.load().has_regions
