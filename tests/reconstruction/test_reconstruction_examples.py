"""Examples of reconstructions: the images that are chosen."""

import numpy as np
import pandas as pd
import pytest

import miniatures
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import EMPTY
from reb_pipeline.datasets import PlainFolderDataset
from reb_pipeline.defectmaker.records import SyntheticDefects
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples
from reb_pipeline.reconstruction.examples import choose_examples, synthetic_examples


@pytest.fixture
def part(tmp_path):
    """The images of the miniature, its samples and made-up synthetic defects on two of them."""
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    images = PlainFolderDataset(path=str(root), category="part").load()
    samples = images.table
    good = samples.loc[samples["split"] == "train", "id"].tolist()
    masks = np.zeros((8, 48, 48), bool)
    for row, side in enumerate((3, 9, 5, 2, 2, 8, 4, 6)):
        masks[row, :side, :side] = True
    labels = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    pixels = np.zeros((8, 48, 48, 3), np.uint8)
    defects = SyntheticDefects(pixels, masks, labels, list("abcd"), good[:2] * 4, [{}] * 8)
    return Samples(samples, images), defects


def test_examples_are_chosen_by_rule(part):
    category, defects = part
    samples, images = category.table, category.images
    test = samples[samples["split"] == "test"].reset_index(drop=True)
    first = test.assign(model="one", image_score=np.arange(len(test)))
    # The second model turns the order of the defects round, but for the lowest.
    defective = test.index[test["label"] == 1]
    second = first.assign(model="two")
    second.loc[defective[1:], "image_score"] = first.loc[defective[:0:-1], "image_score"].to_numpy()
    chosen = choose_examples(category, defects, pd.concat([first, second]), side=16)
    held_out = samples[samples["split"] == "calibration"].iloc[0]
    lowest = [test.loc[row] for row in defective[:2]]
    assert [example.title for example in chosen] == [
        f"held-out good image {held_out['id']}",
        "synthetic defect, a",
        "synthetic defect, c",
        "synthetic defect, d",
        *(f"test image {row['id']}, {row['defect_type']}" for row in lowest),
    ]
    assert [int(example.mask.sum()) for example in chosen[1:4]] == [81, 64, 36]
    of_networks = resize_image(images.open_image(held_out["path"]), 16)
    assert np.array_equal(chosen[0].image, of_networks)
    for row, example in zip(lowest, chosen[4:], strict=True):
        assert np.array_equal(example.image, resize_image(images.open_image(row["path"]), 16))
        assert example.mask is None or example.mask.shape == (16, 16)
        assert (example.mask is not None) == (row["mask_paths"] != EMPTY)


def test_synthetic_defects_need_their_good_images(part):
    samples, defects = part
    pairs = list(synthetic_examples(samples, defects))
    assert len(pairs) == 8
    assert all(pair.good.shape == pair.image.shape for pair in pairs)
    assert not np.array_equal(pairs[0].good, pairs[1].good)
    missing = samples.only(samples.table[samples.table["id"] != defects.image_ids[1]])
    with pytest.raises(
        InputError, match="which is no sample: run the pipeline defect_synthesis again"
    ):
        list(synthetic_examples(missing, defects))
