"""Shares of good images for the bank, the calibration and the test."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.calibration.conformal import images_needed
from reb_pipeline.calibration.photos import Shares, calibration_images, photos_needed

PAGE = Path(__file__).parents[2] / "docs/how-to/how_many_photos.md"


@given(n=st.integers(2, 3000), rate=st.floats(0.001, 0.5))
def test_calibration_images_suffice_or_there_are_none(n, rate):
    n_test = max(1, round(0.3 * n))
    held_out = calibration_images(n, n_test, rate)
    if images_needed(rate) <= (n - n_test) // 2:
        assert held_out >= images_needed(rate)
        assert n - n_test - held_out >= held_out  # at least half is learnt from
    else:
        assert held_out == 0


@pytest.mark.parametrize(
    ("good", "train", "calibration"), [(588, 353, 59), (920, 552, 92), (952, 571, 95)]
)
def test_the_published_data_keep_their_split(good, train, calibration):
    """ELPV mono and poly, and magnetic tiles, at 5 %: a tenth is more than the rate needs."""
    n_test = round(0.3 * good)
    assert calibration_images(good, n_test, 0.05) == calibration
    assert good - n_test - calibration == train


def test_the_page_has_the_numbers():
    rows = re.findall(r"^\| ([\d.]+) % \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.M)
    assert len(rows) == 5
    for percent, needed, by_split, left_out in rows:
        rate = float(percent) / 100
        assert images_needed(rate) == int(needed)
        assert photos_needed(rate) == (int(by_split), int(left_out))


@pytest.mark.parametrize(
    ("shares", "rate", "can_flag", "sentence"),
    [
        (Shares(69, 49, 50), 0.02, True, "49 calibrate and 69 are learnt from."),
        (Shares(28, 0, 12), 0.05, True, "the rate is simulated, not proven"),
        (Shares(10, 0, 4), 0.05, False, "9 more good images to learn from, or ask for a rate of at least 9.1 %"),
        (Shares(101, 17, 50), 0.05, True, "leave-one-image-out"),
        (Shares(10, 5, 4, "/day", 5), 0.05, False, "give at least 14 more good images in /day"),
        (Shares(10, 5, 4, "/day", 19), 0.05, True, "10 are learnt from and 19 in /day calibrate"),
    ],
)  # fmt: skip
def test_a_run_says_what_is_possible(shares, rate, can_flag, sentence):
    assert shares.can_flag(rate) is can_flag
    assert sentence in shares.statement(rate)
