"""Each purpose of synthetic defects has its own random stream."""

import zlib
from itertools import combinations

import numpy as np
import pytest

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import REB_KINDS, DefectKind, DefectMaker
from reb_pipeline.defectmaker.streams import Purpose, random_stream

SIDE = 128
IMAGE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
ALL = np.ones((SIDE, SIDE), bool)


def draws(purpose, kind, seeds, count):
    """Shape with its place, and fill, of defects of a kind."""
    maker = DefectMaker([Donor(IMAGE, ALL)], [IMAGE], purpose)
    made = [maker.make(IMAGE, ALL, kind, seed, index) for seed in seeds for index in range(count)]
    shapes = {(defect.mask.tobytes(), defect.recipe.box) for defect in made}
    fills = {(defect.image[defect.mask]).tobytes() for defect in made}
    assert len(shapes) == len(made)  # none is drawn twice for one purpose either
    return shapes, fills


@pytest.mark.parametrize(
    "kind",
    [*REB_KINDS, DefectKind("rect", "texture")],
    ids=lambda kind: kind.name,
)
def test_no_two_purposes_share_a_draw(kind):
    """Makers of all purposes, of the same seeds and numbers."""
    found = {purpose: draws(purpose, kind, [0, 1, 2, 10**9, 2**40], 6) for purpose in Purpose}
    for one, other in combinations(Purpose, 2):
        for ours, theirs in zip(found[one], found[other], strict=True):
            assert ours.isdisjoint(theirs)


def test_the_training_draws_what_it_always_drew():
    """Weights of former releases stay what a fine-tuning gives."""
    for seed, index in [(0, 0), (3, 17), (2**40, 5)]:
        entropy = [seed, index, zlib.crc32(b"bezier+noise")]
        expected = np.random.default_rng(entropy).integers(0, 2**63, 4)
        found = random_stream(Purpose.TRAINING, seed, index, "bezier+noise")
        assert found.integers(0, 2**63, 4).tolist() == expected.tolist()


def test_streams_differ_by_purpose_seed_number_and_kind():
    keys = [
        (purpose, seed, index, kind)
        for purpose in Purpose
        for seed in range(8)
        for index in range(8)
        for kind in ("rect+noise", "rect+texture")
    ]
    first = {int(random_stream(*key).integers(0, 2**63)) for key in keys}
    assert len(first) == len(keys)
