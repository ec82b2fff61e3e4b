import time

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from reb_pipeline.defectmaker.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    color_jitter,
    shift_hue,
)

RNG = np.random.default_rng(0)
SMOOTH = np.stack(
    [*np.meshgrid(np.arange(40, 220, 4), np.arange(60, 240, 4)), np.full((45, 45), 90)], -1
)
IMAGE = SMOOTH.astype(np.uint8)


@pytest.mark.parametrize(
    ("ours", "theirs", "amount"),
    [
        (adjust_brightness, functional.adjust_brightness, 1.3),
        (adjust_brightness, functional.adjust_brightness, 0.8),
        (adjust_contrast, functional.adjust_contrast, 1.2),
        (adjust_contrast, functional.adjust_contrast, 0.5),
        (adjust_saturation, functional.adjust_saturation, 1.4),
        (adjust_saturation, functional.adjust_saturation, 0.6),
        (shift_hue, functional.adjust_hue, 0.1),
        (shift_hue, functional.adjust_hue, -0.1),
    ],
)
def test_adjustments_are_torchvision_s(ours, theirs, amount):
    expected = theirs(torch.from_numpy(IMAGE).permute(2, 0, 1), amount).permute(1, 2, 0).numpy()
    difference = np.abs(ours(IMAGE, amount).astype(int) - expected)
    assert difference.max() <= 6  # hue in 256 steps
    assert difference.mean() <= 1.5


def test_jitter_is_reproducible_and_leaves_its_input():
    before = IMAGE.copy()
    one, same, other = (color_jitter(np.random.default_rng(seed), IMAGE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    np.testing.assert_array_equal(IMAGE, before)


def test_gray_stays_gray():
    gray = np.repeat(RNG.integers(0, 256, (20, 30, 1), dtype=np.uint8), 3, axis=2)
    for seed in range(30):
        channels = color_jitter(np.random.default_rng(seed), gray).astype(int)
        assert np.ptp(channels, axis=2).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1)])
def test_tiny_images(size):
    assert color_jitter(RNG, np.full((*size, 3), 100, np.uint8)).shape == (*size, 3)


def test_no_strength_changes_next_to_nothing():
    difference = np.abs(color_jitter(RNG, IMAGE, 0.0).astype(int) - IMAGE)
    assert difference.max() <= 6  # there and back through 8-bit hue and saturation
    assert difference.mean() <= 1


def test_jitter_is_quick():
    image = RNG.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        color_jitter(RNG, image)
        times.append(time.perf_counter() - start)
    assert min(times) < 4e-3  # 2 ms, and room for a slower machine
