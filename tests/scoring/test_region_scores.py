"""A memory bank with a region of interest: patches outside are neither learnt nor scored."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.region import Region
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.update import update_bank
from reb_pipeline.metrics.pixel import PixelHistogram
from reb_pipeline.metrics.score_bins import choose_bins
from reb_pipeline.scoring.anomaly_maps import anomaly_map, region_at
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.good_scores import GoodScores
from reb_pipeline.scoring.image_scores import IMAGE_SCORES, image_scores
from reb_pipeline.scoring.left_out import score_left_out
from reb_pipeline.scoring.settings import ImageScoreSettings, ScoringSettings

H, W, SIDE = 6, 6, 48
INSIDE = np.zeros((H, W), bool)
INSIDE[1:5, 2:5] = True
REGION = Region(INSIDE.repeat(8, 0).repeat(8, 1))
SCORES = sorted(name for name, one in IMAGE_SCORES.items() if not one.compares_neighbors)


def grids(n, seed=0):
    rng = np.random.default_rng(seed)
    return [(f"image {index}", rng.random((H, W, 3), np.float32)) for index in range(n)]


def source(of_images, region=REGION):
    return SimpleNamespace(
        image_ids=[name for name, _ in of_images],
        patches=lambda: iter(of_images),
        provenance={"region": region and region.as_json(SIDE)},
    )


def fitted(region=REGION, n=24, **scoring):
    return MemoryBankDetector.fit(
        source(grids(n), region), MemoryBankSettings(coreset_ratio=0.5), ScoringSettings(**scoring)
    )


def settings(name):
    return ImageScoreSettings(image_score=name, top_share=0.3, top_patches=4, area_threshold=0.5)


def test_only_patches_inside_are_learnt():
    bank = collect_patches(grids(4), 4, {"region": REGION.as_json(SIDE)})
    assert bank.features.shape == (4 * INSIDE.sum(), 3)
    np.testing.assert_array_equal(bank.region, INSIDE)
    for image, (_, grid) in enumerate(grids(4)):
        rows = bank.image == image
        np.testing.assert_array_equal(bank.features[rows], grid[bank.y[rows], bank.x[rows]])
        np.testing.assert_array_equal(bank.whole_grid(image)[INSIDE], grid[INSIDE])


def test_scores_are_those_of_the_patches_inside():
    detector = fitted(scorer="nearest", image_score="max")
    tested = grids(3, seed=1)
    found = detector.detect(source(tested))
    assert np.isnan(found.patch_scores[:, ~INSIDE]).all()
    for (_, grid), of_patches, score in zip(
        tested, found.patch_scores, found.image_scores, strict=True
    ):
        expected = cdist(grid[INSIDE], detector.features, "sqeuclidean").min(axis=1)
        np.testing.assert_allclose(of_patches[INSIDE], expected, rtol=1e-4, atol=1e-5)
        assert score == pytest.approx(expected.max(), rel=1e-4)


@pytest.mark.parametrize("image_score", SCORES)
@pytest.mark.parametrize("normalization", ["none", "position"])
def test_what_lies_outside_changes_nothing(image_score, normalization):
    detector = fitted(
        **settings(image_score).model_dump(), normalization=normalization, anomaly_map="distance"
    )
    (name, grid), = grids(1, seed=1)  # fmt: skip
    outside, inside = grid.copy(), grid.copy()
    outside[~INSIDE] = 99
    inside[2:4, 3] = 99
    plain, same, other = (
        detector.detect(source([(name, each)])) for each in (grid, outside, inside)
    )
    assert plain.image_scores == same.image_scores
    assert other.image_scores > plain.image_scores
    maps = [one.anomaly_maps(SIDE, 4.0)[name] for one in (plain, same, other)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert maps[2].max() > maps[0].max()
    assert (maps[2][~region_at(INSIDE, (SIDE, SIDE))] == 0).all()


@given(
    of_numpy.arrays(np.float32, (2, H, W), elements=st.floats(-9, 9, width=32)),
    st.sampled_from(SCORES),
)
def test_image_scores_of_a_whole_region_are_those_without_one(scores, name):
    whole = np.ones((H, W), bool)
    np.testing.assert_array_equal(
        image_scores(np.where(whole, scores, np.nan), settings(name)),
        image_scores(scores, settings(name)),
    )


@given(
    of_numpy.arrays(np.float32, (2, H, W), elements=st.floats(-9, 9, width=32)),
    of_numpy.arrays(bool, (H, W)).filter(np.any),
)
def test_means_of_squares_are_over_the_patches_inside(scores, region):
    masked = np.where(region, scores, np.float32(np.nan))
    means = np.array(
        [
            [one[(slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))][
                region[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]].mean()
             for y, x in np.argwhere(region)]
            for one in scores
        ]
    )  # fmt: skip
    found = image_scores(masked, settings("mean_max"))
    np.testing.assert_allclose(found, means.max(axis=1), rtol=1e-4, atol=1e-4)
    n = max(1, round(0.3 * region.sum()))
    weights = 1 / np.arange(1, n + 1)
    ranked = -np.sort(-means, axis=1)[:, :n] @ weights / weights.sum()
    np.testing.assert_allclose(
        image_scores(masked, settings("ranked_mean")), ranked, rtol=1e-4, atol=1e-4
    )
    blocks = [
        scores[:, y : y + 3, x : x + 3][:, region[y : y + 3, x : x + 3]].mean(axis=1)
        for y in (0, 3) for x in (0, 3) if region[y : y + 3, x : x + 3].any()
    ]  # fmt: skip
    np.testing.assert_allclose(
        image_scores(masked, settings("block_max")), np.max(blocks, axis=0), rtol=1e-4, atol=1e-4
    )


def test_block_max_says_that_it_sees_nothing_of_a_region():
    scores = np.full((1, 8, 8), np.nan, np.float32)
    scores[:, 7] = 1
    with pytest.raises(InputError, match=r"region of interest lies in them: set .* to mean_max"):
        image_scores(scores, settings("block_max"))


def test_a_whole_region_gives_the_scores_without_one():
    tested = source(grids(3, seed=1), None)
    whole = Region(np.ones((SIDE, SIDE), bool))
    for scoring in ({"image_score": "ranked_mean", "normalization": "position"}, {"scorer": "lof"}):
        without, found = (fitted(region, **scoring) for region in (None, whole))
        expected, scored = (one.score(one.search(tested.patches())) for one in (without, found))
        np.testing.assert_array_equal(scored.image_scores, expected.image_scores)
        np.testing.assert_array_equal(scored.patch_scores, expected.patch_scores)
        np.testing.assert_array_equal(
            scored.anomaly_maps(SIDE, 4.0)["image 0"], expected.anomaly_maps(SIDE, 4.0)["image 0"]
        )


def test_good_scores_by_position_are_averaged_inside():
    scores = np.random.default_rng(0).normal(5, 2, (30, H, W))
    good = GoodScores.of(np.where(INSIDE, scores, np.nan))
    weights = gaussian_filter(INSIDE.astype(float), 1.0)
    mean = gaussian_filter(np.where(INSIDE, scores.mean(axis=0), 0), 1.0) / weights
    np.testing.assert_allclose(good.mean[INSIDE], mean[INSIDE], rtol=1e-5)
    assert np.isfinite(good.mean).all()
    assert (good.spread > 0).all()


def test_an_update_keeps_the_region():
    extractor = {"region": REGION.as_json(SIDE)}
    added = [("new", grids(1, seed=5)[0][1])]
    updated = update_bank(collect_patches(grids(4), 4, extractor), ["image 1"], added, 1)
    kept = [one for one in grids(4) if one[0] != "image 1"] + added
    rebuilt = collect_patches(kept, 4, extractor)
    np.testing.assert_array_equal(updated.features, rebuilt.features)
    np.testing.assert_array_equal(updated.region, INSIDE)
    assert updated.image_ids == rebuilt.image_ids


def test_images_left_out_are_scored_inside_too():
    detector = fitted(n=6, image_score="mean_max")
    bank = collect_patches(grids(6), 6, {"region": REGION.as_json(SIDE)})
    for found, detection in score_left_out(bank, detector, 99):
        others = [one for one in grids(6) if one[0] not in found.image_ids]
        own = [one for one in grids(6) if one[0] in found.image_ids]
        alone = MemoryBankDetector.fit(
            source(others), MemoryBankSettings(coreset_ratio=0.5), detector.scoring
        )
        expected = alone.detect(source(own))
        np.testing.assert_allclose(detection.image_scores, expected.image_scores, rtol=1e-5)


def test_features_of_another_grid_are_refused():
    with pytest.raises(InputError, match=r"grids of \[6, 6\] patches, not \[3, 3\]"):
        fitted().search([("other", np.zeros((3, 3, 3), np.float32))])


def test_another_region_needs_another_bank():
    bank = collect_patches(grids(2), 2, {"region": REGION.as_json(SIDE), "image_size": SIDE})
    with pytest.raises(InputError, match="made with another region of interest: run the pipeline"):
        bank.check_extractor({"region": None})
    former = replace(bank, extractor={"image_size": SIDE})
    former.check_extractor({"region": None})
    assert Coreset.selected(bank, np.arange(3)).of(bank).region is bank.region


def test_a_score_inside_that_is_not_finite_is_refused():
    scores = np.where(INSIDE, np.float32(1), np.float32(np.nan))[None]
    Detection(["part"], np.ones(1, np.float32), scores, region=INSIDE)
    scores[0, 2, 2] = np.nan
    with pytest.raises(InputError, match="not all finite"):
        Detection(["part"], np.ones(1, np.float32), scores, region=INSIDE)


def test_negative_maps_mark_nothing_outside():
    scores = np.where(INSIDE, np.float32(-3), np.float32(50))
    scores[2, 3] = -1
    found = anomaly_map(scores, SIDE, 4.0, INSIDE)
    looked_at = region_at(INSIDE, (SIDE, SIDE))
    assert found[looked_at].max() < 0
    assert found[~looked_at].max() <= found[looked_at].min()


def test_pixels_outside_do_not_count_in_metrics():
    rng = np.random.default_rng(0)
    found, mask = rng.random((2, 20, 20), np.float32), rng.random((20, 20)) < 0.2
    ignored = np.zeros((20, 20), bool)
    ignored[:, 12:] = True
    bins = choose_bins(found)
    whole, cut = PixelHistogram(bins), PixelHistogram(bins)
    whole.update(found[0], mask, ignored)
    cut.update(found[0][:, :12], mask[:, :12])
    assert whole.metrics() == cut.metrics()
