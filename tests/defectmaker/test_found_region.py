"""The region of interest that good images decide."""

import logging
import math

import cv2
import numpy as np
import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker import found_region
from reb_pipeline.defectmaker.found_region import MARGIN, find_region
from reb_pipeline.images.region import Region
from reb_pipeline.images.samples import Samples

HEIGHT, WIDTH = 96, 128
LEFT, RIGHT = (40, 48), (80, 52)


def photo(centre, radius=20, hole=0, shape=(HEIGHT, WIDTH)):
    """A bright disc with a dark hole before a dark, noisy background."""
    image = np.full((*shape, 3), (40, 50, 60), np.uint8)
    cv2.circle(image, centre, radius, (210, 170, 90), -1)
    cv2.circle(image, centre, hole, (40, 50, 60), -1) if hole else None
    return image + np.random.default_rng(0).integers(0, 12, image.shape, dtype=np.uint8)


def samples(images, splits=None):
    """Images in memory; their paths are their numbers."""
    table = pd.DataFrame({"id": map(str, range(len(images)))})
    table = table.assign(path=table["id"], split=splits or "train", label=0)
    opener = type("Images", (), {"category": "disc", "open_image": lambda _, n: images[int(n)]})()
    return Samples(table, opener)


def share(centres, radius):
    """Pixels that are at most so far from one of the places, bool [height, width]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.any([np.hypot(x - a, y - b) <= radius for a, b in centres], axis=0)


def test_the_region_holds_the_part_wherever_it_lies_with_a_margin_and_no_hole():
    images = [photo(LEFT, hole=6), photo(RIGHT)] * 2
    found = find_region(samples(images)).at((HEIGHT, WIDTH))
    assert found[share([LEFT, RIGHT], 20 + 0.7 * MARGIN * HEIGHT)].all()
    assert not found[~share([LEFT, RIGHT], 20 + 1.5 * MARGIN * WIDTH)].any()


def test_only_good_training_images_decide():
    images = [photo(LEFT), photo(RIGHT), photo(RIGHT)]
    found = find_region(samples(images, ["train", "test", "calibration"])).at((HEIGHT, WIDTH))
    assert not found[share([RIGHT], 10)].any()


def test_a_part_that_fills_the_image_is_looked_at_everywhere(caplog):
    noise = np.random.default_rng(0).integers(0, 255, (8, HEIGHT, WIDTH, 3), dtype=np.uint8)
    caplog.set_level(logging.INFO)
    assert find_region(samples(list(noise))).mask.all()
    assert "that was found in 8 good images is 100 % of the image" in caplog.text
    assert "leaves out almost nothing" in caplog.text


def test_an_image_without_a_foreground_makes_the_region_whole(monkeypatch):
    monkeypatch.setattr(found_region, "grabcut", lambda image: np.zeros(image.shape[:2], bool))
    assert find_region(samples([photo(LEFT)])).mask.all()


@pytest.mark.parametrize(("failed", "is_whole"), [(2, False), (3, True)])
def test_one_failed_segmentation_of_twenty_does_not_widen_the_region(monkeypatch, failed, is_whole):
    disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), LEFT, 20, 1, -1).astype(bool)
    foregrounds = iter([~np.zeros_like(disc)] * failed + [disc] * (41 - failed))
    monkeypatch.setattr(found_region, "grabcut", lambda _: next(foregrounds))
    assert find_region(samples([photo(LEFT)] * 41)).mask.all() == is_whole


def test_the_stored_region_knows_that_it_was_found():
    found = find_region(samples([photo(LEFT)]))
    again = Region.of_json(found.as_json([48, 64]))
    assert again.is_found
    assert math.isclose(again.aspect, WIDTH / HEIGHT)
    np.testing.assert_array_equal(again.mask, found.at((48, 64)))


def test_images_of_two_aspects_are_refused():
    wide = photo(LEFT, shape=(HEIGHT, HEIGHT))
    with pytest.raises(InputError, match=r"was found on images 1\.333 times as wide as high"):
        find_region(samples([photo(LEFT), wide]))


def test_without_good_training_images_nothing_is_found():
    with pytest.raises(InputError, match=r"no good training image to find features\.region in"):
        find_region(samples([photo(LEFT)], ["test"]))


def test_files_are_segmented_once_for_all_nodes_of_a_run(monkeypatch):
    monkeypatch.setattr(found_region, "_found", {})
    there = samples([photo(LEFT)])
    opener = there.images
    opener.open_image = lambda path, sha256="": photo(LEFT)
    hashed = Samples(there.table.assign(sha256=["a"]), opener)
    first = find_region(hashed)
    monkeypatch.setattr(found_region, "grabcut", None)
    assert find_region(hashed) is first
