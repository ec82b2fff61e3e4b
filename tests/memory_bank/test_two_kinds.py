"""Photos of two parts in one folder are noticed; one odd photo, copies and few photos are no second kind."""

import numpy as np
import pytest

from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.two_kinds import two_kinds


def bank(*groups, spread=1.0):
    """A bank of as many images of each group as its number says, the groups far from each other."""
    rng = np.random.default_rng(0)
    grids = [
        (f"{group}/{n}", (spread * rng.random((3, 3, 6)) + 5 * group).astype(np.float32))
        for group, count in enumerate(groups)
        for n in range(count)
    ]
    return collect_patches(grids, n_images=len(grids), extractor={})


@pytest.mark.parametrize("counts", [(21, 20), (20, 2), (600, 30)])
def test_two_parts_in_one_folder(counts):
    (many, first), (few, second) = two_kinds(bank(*counts))
    assert first.startswith("0/")
    assert second.startswith("1/")
    if sum(counts) <= 500:
        assert (many, few) == counts


@pytest.mark.parametrize("counts", [(40,), (600,), (20, 1), (4, 3)])
def test_one_part(counts):
    assert two_kinds(bank(*counts)) == []


def test_copies_of_two_images():
    assert two_kinds(bank(10, 10, spread=0.0)) == []
