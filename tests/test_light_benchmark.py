"""Changes of light of the benchmark, and the remedies that undo them."""

import numpy as np
import pytest
from benchmarks.light import (
    CHANGES,
    UNCHANGED,
    as_bytes,
    flat_field,
    gain,
    gradient,
    other_light,
    photometric,
)

PARTS = list(
    as_bytes(np.random.default_rng(0).uniform(40, 160, (3, 64, 64, 3))).astype(float)
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_level_of_no_change_changes_nothing(change):
    changed = change(PARTS[0], UNCHANGED.get(change, 0.0))
    np.testing.assert_allclose(changed, PARTS[0], atol=1e-6)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_level_changes_the_image_and_keeps_its_shape(change):
    for level in CHANGES[change]:
        changed = change(PARTS[0], level)
        assert changed.shape == PARTS[0].shape
        assert np.abs(changed - PARTS[0]).max() > 1


def test_photometric_normalisation_undoes_a_gain_but_no_gradient():
    normalise = photometric(PARTS)
    np.testing.assert_allclose(normalise(gain(PARTS[0], 1.3)), normalise(PARTS[0]), rtol=1e-9)
    assert np.abs(normalise(gradient(PARTS[0], 0.4)) - normalise(PARTS[0])).mean() > 5


def test_a_flat_field_takes_most_of_a_gradient():
    uneven = gradient(PARTS[0], 0.4)
    before = np.abs(uneven - PARTS[0]).mean()
    assert np.abs(flat_field(uneven) - flat_field(PARTS[0])).mean() < 0.5 * before


def test_other_light_differs_from_image_to_image_and_is_the_same_again():
    first, again = other_light(PARTS), other_light(PARTS)
    np.testing.assert_array_equal(first, again)
    factors = {
        round(float(one.mean() / part.mean()), 3) for one, part in zip(first, PARTS, strict=True)
    }
    assert len(factors) == 3
