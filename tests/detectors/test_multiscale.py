import numpy as np
import pytest
from scipy.spatial.distance import cdist
from torch import from_numpy
from torch.nn.functional import interpolate

from fake_source import random_source
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors import multiscale
from reb_pipeline.detectors.hierarchical import HierarchicalDetector
from reb_pipeline.detectors.multiscale import FusedDetector
from reb_pipeline.scoring.settings import ImageScoreSettings

GOOD, TEST = random_source(5, seed=0), random_source(3, seed=1)
NESTED = {"fine": (8, 4, 3), "middle": (4, 2, 4), "coarse": (2, 1, 5)}


def squared_distances(queries, bank):
    channels = bank.shape[-1]
    return cdist(*(x.reshape(-1, channels).astype(float) for x in (queries, bank)), "sqeuclidean")


def usual(grid, images):
    """Mean over some images' patches of the squared distance to the nearest patch of the other images."""
    return np.mean(
        [squared_distances(grid[i], np.delete(grid, i, axis=0)).min(axis=1) for i in images]
    )


@pytest.mark.parametrize("left_out", [3, 32])
def test_fused_is_the_mean_of_layers_in_their_own_units(left_out, monkeypatch):
    monkeypatch.setattr(multiscale, "LEFT_OUT_IMAGES", left_out)
    detector = FusedDetector(ImageScoreSettings(image_score="max"))
    detector.fit(GOOD)
    found = detector.detect(TEST)
    images = [0, 2, 4] if left_out == 3 else range(5)
    expected = 0
    for layer, test in TEST.grids.items():
        nearest = squared_distances(test, GOOD.grids[layer]).min(axis=1)
        scores = nearest.reshape(test.shape[:3]) / usual(GOOD.grids[layer], images)
        expected += interpolate(from_numpy(scores)[:, None], (4, 6), mode="bilinear")[:, 0] / 2
    np.testing.assert_allclose(found.patch_scores, expected, rtol=1e-4)
    np.testing.assert_array_equal(found.image_scores, found.patch_scores.max(axis=(1, 2)))


def walk(good, others, grids, layers, k):
    """Smallest squared distance of every patch of every layer, coarsest first, one patch after the other.

    Args:
        good: Grids of all good images.
        others: Which of them may be compared with.
        grids: Grids of the image itself.
        layers: Coarsest first.
        k: Rows followed from one layer to the next.
    """

    def visit(depth, y, x, candidates):
        layer = layers[depth]
        squared = {
            at: ((good[layer][at].astype(float) - grids[layer][y, x]) ** 2).sum()
            for at in candidates
        }
        nearest = sorted(squared, key=squared.get)[:k]
        smallest[depth][y, x] = squared[nearest[0]]
        if depth + 1 < len(layers):
            r = len(grids[layers[depth + 1]]) // len(grids[layer])
            inside = list(np.ndindex(r, r))
            below = [(i, v * r + dy, u * r + dx) for i, v, u in nearest for dy, dx in inside]
            for dy, dx in inside:
                visit(depth + 1, y * r + dy, x * r + dx, below)

    smallest = [np.zeros(grids[layer].shape[:2]) for layer in layers]
    height, width = smallest[0].shape
    everywhere = [(i, y, x) for i in others for y, x in np.ndindex(height, width)]
    for y, x in np.ndindex(height, width):
        visit(0, y, x, everywhere)
    return smallest


@pytest.mark.parametrize("names", [["fine"], ["fine", "middle"], ["fine", "coarse"], list(NESTED)])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_hierarchical_searches_under_the_coarse_neighbours(names, k):
    nested = {name: NESTED[name] for name in names}
    good, test = (random_source(n, seed=n, grids=nested) for n in (4, 2))
    detector = HierarchicalDetector(ImageScoreSettings(image_score="max"), n_neighbors=k)
    detector.fit(good)
    found = detector.detect(test)
    layers = names[::-1]
    height, width, _ = nested[layers[0]]
    k = min(k, 3 * height * width)
    left_out = [
        walk(good.grids, set(range(4)) - {i}, {n: g[i] for n, g in good.grids.items()}, layers, k)
        for i in range(4)
    ]
    usual_of = [np.mean(layer) for layer in zip(*left_out, strict=True)]
    for image in range(2):
        grids = {name: grid[image] for name, grid in test.grids.items()}
        expected = sum(
            np.kron(smallest / usual_of_layer, np.ones((8 // len(smallest),) * 2))
            for smallest, usual_of_layer in zip(
                walk(good.grids, range(4), grids, layers, k), usual_of, strict=True
            )
        )
        np.testing.assert_allclose(found.patch_scores[image], expected, rtol=1e-4)


def test_a_known_image_among_others_is_at_distance_zero():
    detector = HierarchicalDetector(n_neighbors=1)
    detector.fit(GOOD)
    assert detector.detect(GOOD).patch_scores.max() == 0
    assert detector.detect(TEST).patch_scores.min() > 0


@pytest.mark.parametrize("detector", [FusedDetector(), HierarchicalDetector()])
def test_good_images_that_are_all_alike_are_no_unit(detector):
    alike = GOOD.take([0, 0, 0])
    alike.image_ids = ["a", "b", "c"]
    detector.fit(alike)
    found = detector.detect(TEST)
    assert np.isfinite(found.image_scores).all()
    assert detector.detect(alike).image_scores.max() == 0


@pytest.mark.parametrize("detector", [FusedDetector, HierarchicalDetector])
def test_one_image_has_no_others(detector):
    with pytest.raises(InputError, match="each is compared with the others: give at least 2"):
        detector().fit(GOOD.take([0]))


@pytest.mark.parametrize("coarse", [(3, 3, 5), (4, 3, 5), (8, 6, 5), (2, 6, 5)])
def test_grids_must_nest(coarse):
    source = random_source(2, grids={"fine": (4, 6, 3), "coarse": coarse})
    with pytest.raises(InputError, match=r"grid of 4 x 6 .* do not nest: choose"):
        HierarchicalDetector().fit(source)
