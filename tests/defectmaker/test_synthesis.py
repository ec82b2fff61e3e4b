"""From the samples of a category to saliency maps and synthetic defects."""

import numpy as np
import pandas as pd
import pytest

from reb_pipeline.defectmaker import synthesis
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.maker import DefectMaker
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.images.samples import Samples

SIDE = 48
SETTINGS = DefectSynthesisSettings(shapes=["rect"], fills=["noise", "cut_paste"], per_kind=3)


class Disks:
    """A bright disk on black; the image "black" has none."""

    category = "part"

    def open_image(self, path):
        y, x = np.mgrid[:60, :60]
        disk = (y - 30) ** 2 + (x - 30) ** 2 < 150
        image = np.zeros((60, 60, 3), np.uint8)
        if path != "black":
            image[disk] = 200 + np.random.default_rng(len(path)).integers(0, 50, 3)
        return image


class Flat:
    """Images of one grey, by their path."""

    category = "part"

    def open_image(self, path):
        return np.full((60, 60, 3), int(path), np.uint8)


def flat_samples(grey):
    """Twenty good images to learn from, of which the first and the eleventh are held out."""
    ids = [str(row) for row in range(20)]
    paths = [str(grey(row)) for row in range(20)]
    table = pd.DataFrame({"id": ids, "path": paths, "split": "train", "label": 0})
    return Samples(table, Flat())


@pytest.fixture
def samples():
    """Twelve good images to learn from, of which the first and the eleventh are held out; one anomalous."""
    names = [*(f"good {n}" for n in range(11)), "black", "bad"]
    splits = ["train"] * 12 + ["test"]
    table = pd.DataFrame({"id": names, "path": names, "split": splits, "label": [0] * 12 + [1]})
    return Samples(table, Disks())


def test_every_good_image_has_a_map_those_held_out_last(samples):
    maps = synthesis.estimate_saliency(samples, SETTINGS)
    assert maps.image_ids == [*(f"good {n}" for n in range(1, 10)), "black", "good 0", "good 10"]
    assert maps.maps.all()
    assert maps.fallbacks == []


def test_images_without_anything_salient_are_listed(samples, messages_of):
    messages = messages_of(synthesis.logger)
    settings = SETTINGS.model_copy(update={"saliency": "grabcut"})
    maps = synthesis.estimate_saliency(samples, settings)
    assert maps.fallbacks == ["black"]
    assert messages == [
        "part: nothing is salient in 1 of 12 good images, all of each counts: black"
    ]


def test_defects_are_made_on_held_out_images_in_turn(samples):
    saliency = synthesis.estimate_saliency(samples, SETTINGS)
    made = synthesis.synthesize_defects(samples, saliency, SIDE, SETTINGS)
    assert made.kinds == [kind.name for kind in SETTINGS.kinds()]
    assert made.labels.tolist() == [1, 2, 1, 2, 1, 2]
    assert made.image_ids == ["good 0"] * 2 + ["good 10"] * 2 + ["good 0"] * 2
    assert made.images.shape == (6, SIDE, SIDE, 3)
    sources = GoodImages(samples.named(made.image_ids), saliency, SIDE)
    for image, mask, source in zip(made.images, made.masks, sources, strict=True):
        assert mask.any()
        np.testing.assert_array_equal(image[~mask], source.image[~mask])
    again = synthesis.synthesize_defects(samples, saliency, SIDE, SETTINGS)
    np.testing.assert_array_equal(again.images, made.images)


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize("purpose", [Purpose.VALIDATION, Purpose.SELECTION])
def test_held_out_defects_are_no_draws_of_the_training(purpose, seed):
    """Training draws of the same seed, numbers and kinds, as in a fine-tuning with the defaults."""
    samples = flat_samples(lambda row: 120)
    settings = DefectSynthesisSettings(seed=seed)
    saliency = synthesis.estimate_saliency(samples, settings)
    made = synthesis.synthesize_defects(samples, saliency, 128, settings, purpose)
    donors = list(GoodImages(samples.good_finetuning, saliency, 128))
    training = DefectMaker(donors)
    seen = set()
    for index in range(120):
        for kind in settings.kinds():
            defect = training.make(donors[0].image, donors[0].saliency, kind, seed, index)
            seen.add((defect.mask.tobytes(), defect.recipe.weight))
    drawn = {
        (mask.tobytes(), recipe["weight"])
        for mask, recipe in zip(made.masks, made.recipes, strict=True)
    }
    assert made.purpose == purpose
    assert len(drawn) == 120
    assert drawn.isdisjoint(seen)


def test_held_out_defects_are_cut_from_held_out_images():
    samples = flat_samples(lambda row: 200 if row % 10 == 0 else 30)
    settings = DefectSynthesisSettings(fills=["cut_paste"], per_kind=10)
    saliency = synthesis.estimate_saliency(samples, settings)
    made = synthesis.synthesize_defects(samples, saliency, SIDE, settings)
    assert made.images.min() > 120  # the jitter of colours takes a quarter at most
    assert set(made.image_ids) == {"0", "10"}
    assert set(made.image_ids).isdisjoint(samples.good_finetuning.ids)
