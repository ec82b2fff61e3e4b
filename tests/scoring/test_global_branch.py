"""Global part of image scores: whole images that are unlike good ones."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.covariance import LedoitWolf

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring import good_scores
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.global_branch import EXCESS, FOLDS, KINDS, SQUARES, GlobalBranch
from reb_pipeline.scoring.settings import ScoringSettings

SIDE, PART = 8, 2  # patches
PARTS = ((1, 1), (1, 5), (5, 1), (5, 5))  # upper left corners
GROUND = np.random.default_rng(9).normal(size=(SIDE, SIDE, 4))
ROWS = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
BANK = SimpleNamespace(features=ROWS, region=None)


def scene(rng, parts=PARTS, kinds=(4.0, 8.0, 8.0, 4.0)):
    """Patch features of an image of parts of two kinds on the same ground, float32 [8, 8, 4]."""
    grid = GROUND + rng.normal(0, 0.05, GROUND.shape)
    for (y, x), kind in zip(parts, kinds, strict=True):
        grid[y : y + PART, x : x + PART] = kind + rng.normal(0, 0.1, (PART, PART, 4))
    return grid.astype(np.float32)


def source(grids):
    named = [(f"image {n}", grid) for n, grid in enumerate(grids)]
    return SimpleNamespace(image_ids=[name for name, _ in named], patches=lambda: iter(named))


def found_of(rows, means):
    """Neighbours of images whose patches are nearest to given rows, int [images, h, w]."""
    return NearestPatches(
        squared_distances=np.zeros((*rows.shape, 1), np.float32),
        rows=rows[..., None],
        peak_features=means,
        mean_features=means,
        image_ids=[str(n) for n in range(len(rows))],
        coreset_fingerprint="",
    )


@pytest.fixture
def found():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(ROWS), (40, 9, 7))
    return found_of(rows, rng.normal(size=(40, 4)).astype(np.float32))


def described(branch, found):
    """Plain loops: shares of the kinds of patches in each square."""
    if not len(branch.kinds):
        return found.mean_features.astype(np.float64)
    n, h, w = found.rows.shape[:3]
    counts = np.zeros((n, SQUARES, SQUARES, KINDS))
    for image in range(n):
        for y in range(h):
            for x in range(w):
                kind = branch.kinds[found.rows[image, y, x, 0]]
                counts[image, y * SQUARES // h, x * SQUARES // w, kind] += 1
    return counts.reshape(n, -1) * SQUARES**2 / (h * w)


@pytest.mark.parametrize("name", ["mean", "parts"])
def test_distances_are_those_of_scikit_learn_in_units_of_images_left_out(found, name):
    scores = np.random.default_rng(2).normal(0, 3, 40)
    branch = GlobalBranch.fit(name, found, BANK, scores)

    numbers = described(branch, found)
    left_out = np.empty(40)
    for fold in np.array_split(np.random.default_rng(0).permutation(40), FOLDS):
        others = LedoitWolf().fit(np.delete(numbers, fold, axis=0))
        left_out[fold] = np.sqrt(others.mahalanobis(numbers[fold]))
    distances = np.sqrt(LedoitWolf().fit(numbers).mahalanobis(numbers))
    deviations = (distances - left_out.mean()) / left_out.std()
    surprise = np.where(deviations > EXCESS, norm.logpdf(EXCESS) - norm.logpdf(deviations), 0)
    np.testing.assert_allclose(branch.scores(found), scores.std() * surprise, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mean", "parts"])
def test_images_are_scored_one_by_one(found, name):
    branch = GlobalBranch.fit(name, found, BANK, np.arange(40))
    odd = found_of(np.zeros((3, 9, 7), int), np.full((3, 4), 9, np.float32))
    one = found_of(np.zeros((1, 9, 7), int), np.full((1, 4), 9, np.float32))
    np.testing.assert_allclose(branch.scores(odd), branch.scores(one).repeat(3), rtol=1e-6)
    assert branch.scores(one)[0] > 0


def test_patches_of_a_region_count_in_their_squares():
    rng = np.random.default_rng(6)
    region = rng.random((9, 7)) < 0.6
    rows, means = rng.integers(1, len(ROWS), (40, 9, 7)), np.zeros((40, 4), np.float32)
    inside = found_of(rows[:, region][:, None], means)
    bank = SimpleNamespace(features=ROWS, region=region)
    branch = GlobalBranch.fit("parts", inside, bank, np.arange(40))
    counts = np.zeros((40, SQUARES, SQUARES, KINDS))
    for y, x in np.argwhere(region):
        for image in range(40):
            kind = branch.kinds[rows[image, y, x]]
            counts[image, y * SQUARES // 9, x * SQUARES // 7, kind] += 1
    numbers = counts.reshape(40, -1) * SQUARES**2 / region.sum()
    np.testing.assert_allclose(branch.mean, numbers.mean(axis=0), atol=1e-12)
    assert branch.scores(inside, region).shape == (40,)


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        (PARTS[:3], (4.0, 8.0, 8.0)),  # one is missing
        ((*PARTS, (3, 3)), (4.0, 8.0, 8.0, 4.0, 4.0)),  # one too many
        (((3, 3), *PARTS[1:]), (4.0, 8.0, 8.0, 4.0)),  # one at the wrong place
        (PARTS, (8.0, 4.0, 8.0, 4.0)),  # two exchanged
    ],
)
def test_parts_are_counted_at_their_places(parts, kinds):
    rng = np.random.default_rng(3)
    good, test = source([scene(rng) for _ in range(30)]), source([scene(rng) for _ in range(20)])
    defective = source([scene(rng, parts, kinds)])
    plain, with_branch = (
        MemoryBankDetector.fit(
            good, scoring=ScoringSettings(global_branch=name, image_score="mean_max")
        )
        for name in ("none", "parts")
    )
    of_good, of_defective = with_branch.detect(test), with_branch.detect(defective)
    assert of_defective.image_scores[0] > of_good.image_scores.max()
    assert np.median(of_good.global_scores) == 0
    of_patches = plain.detect(defective).image_scores
    np.testing.assert_allclose(
        of_defective.image_scores, of_patches + of_defective.global_scores, rtol=1e-6
    )
    assert plain.detect(defective).global_scores is None
    assert plain.fingerprint != with_branch.fingerprint


def test_few_good_images_leave_the_branch_out(monkeypatch):
    said = []
    monkeypatch.setattr(good_scores.logger, "warning", lambda text, *values: said.append(values[0]))
    rng = np.random.default_rng(4)
    detector = MemoryBankDetector.fit(
        source([scene(rng) for _ in range(19)]), scoring=ScoringSettings(global_branch="parts")
    )
    assert detector.global_branch is None
    assert "19 good images to fit it on, fewer than 20" in said[0]


def test_the_branch_is_fitted_on_given_images_only():
    rng = np.random.default_rng(5)
    detector = MemoryBankDetector.fit(source([scene(rng) for _ in range(20)]))
    with pytest.raises(InputError, match=r"scoring\.global_branch = mean is fitted on good images"):
        detector.with_scoring(ScoringSettings(global_branch="mean"))


@pytest.mark.parametrize("name", ["spread", "unit"])
def test_a_spread_that_is_not_positive_is_refused(name):
    values = {"centre": 1.0, "spread": 1.0, "unit": 1.0, "excess": 3.0, name: -1.0}
    with pytest.raises(InputError, match="positive spreads"):
        GlobalBranch(np.empty(0, np.int64), np.zeros(2), np.eye(2), **values)
