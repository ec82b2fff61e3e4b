"""Zones of a part: cut-offs of their own that share one false-alarm rate."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import validated
from reb_pipeline.images.region import Region
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.image_scores import image_scores
from reb_pipeline.scoring.left_out import score_left_out
from reb_pipeline.scoring.settings import ImageScoreSettings, ScoringSettings
from reb_pipeline.scoring.zones import LEAST, Zones, number_patches

SIDE = 6
ALL = np.ones((SIDE, SIDE), bool)


def box(left, top, right, bottom):
    return [[(left, top), (right, top), (right, bottom), (left, bottom)]]


RIGHT, LOW = box(0.5, 0, 1, 1), box(0, 0.5, 1, 1)
ZONES = {"label": RIGHT}
IS_LABEL = np.arange(SIDE) >= SIDE // 2
PATCH_SCORES = (
    "ranked_mean", "block_max", "mean_max", "max", "top_k_mean", "top_share_mean", "quantile", "average"
)  # fmt: skip


def settings(name):
    return ImageScoreSettings(image_score=name, top_share=0.2, top_patches=3, quantile=0.9)


@hypothesis_settings(max_examples=15)
@given(
    st.lists(
        st.tuples(*[st.integers(0, SIDE - 1)] * 2, *[st.integers(1, SIDE)] * 2),
        min_size=1,
        max_size=4,
    )
)
def test_the_smallest_zone_holds(corners):
    boxes = [(x, y, min(x + w, SIDE), min(y + h, SIDE)) for x, y, w, h in corners]
    areas = [(r - x) * (b - y) for x, y, r, b in boxes]
    assume(len(set(areas)) == len(areas))
    zones = {f"{n}": box(*(side / SIDE for side in one)) for n, one in enumerate(boxes)}
    expected = np.full((SIDE, SIDE), len(boxes))
    for n in sorted(range(len(boxes)), key=lambda n: (-areas[n], n)):
        x, y, r, b = boxes[n]
        expected[y:b, x:r] = n
    if set(range(len(boxes))) <= set(expected.flat):
        names, numbers = number_patches(zones, ALL)
        np.testing.assert_array_equal(numbers, expected)
        has_rest = (expected == len(boxes)).any()
        assert names == [*zones, *(["rest"] if has_rest else [])]
    else:
        with pytest.raises(InputError, match=r"scoring\.zones\.\d has no patch: smaller zones"):
            number_patches(zones, ALL)


def test_a_zone_smaller_than_a_patch_takes_the_patch_that_it_lies_in():
    names, numbers = number_patches({"screw": box(0.35, 0.02, 0.4, 0.05)}, ALL)
    assert np.argwhere(numbers == names.index("screw")).tolist() == [[0, 2]]


def test_zones_are_cut_by_the_region_of_interest():
    names, numbers = number_patches(
        {"label": RIGHT, "low": LOW}, ~IS_LABEL[None].repeat(SIDE, 0) | ALL.T
    )
    assert names == ["label", "low", "rest"]
    inside = np.tile(~IS_LABEL, (SIDE, 1))
    names, numbers = number_patches({"low": LOW}, inside)
    assert (numbers[:, IS_LABEL] == -1).all()
    assert names == ["low", "rest"]
    with pytest.raises(
        InputError, match=r"zones\.label has no patch: .* outside of features\.region"
    ):
        number_patches(ZONES, inside)


@pytest.mark.parametrize("name", PATCH_SCORES)
def test_the_scores_of_good_images_are_alike_in_each_zone_alone(name):
    scores = np.random.default_rng(0).gamma(2, 1, (40, SIDE, SIDE)).astype(np.float32)
    scores[:, :, IS_LABEL] *= 9
    zones = Zones.fit(ZONES, scores, scores**2, settings(name))
    for number, here in enumerate((IS_LABEL, ~IS_LABEL)):
        alone = scores.copy()
        alone[:, :, ~here] = np.nan
        expected = image_scores(alone, settings(name))
        assert zones.mean[number] == pytest.approx(expected.mean(), rel=1e-5)
        assert zones.spread[number] == pytest.approx(expected.std(), rel=1e-5)
        highest = (scores[:, :, here] ** 2).max(axis=(1, 2))
        assert zones.distance_mean[number] == pytest.approx(highest.mean(), rel=1e-5)
        standard = image_scores(
            np.where(here, zones.standardize(scores), np.nan).astype(np.float32), settings(name)
        )
        assert standard.mean() == pytest.approx(0, abs=1e-4)
        assert standard.std() == pytest.approx(1, rel=1e-4)
        of_maps = zones.standardize_distances(scores**2)[:, :, here].max(axis=(1, 2))
        assert (of_maps.mean(), of_maps.std()) == pytest.approx((0, 1), abs=1e-4)


@pytest.mark.parametrize("name", ["max", "ranked_mean"])
def test_zones_keep_the_promised_rate_and_find_more_in_the_quiet_one(name):
    rng, rate, found = np.random.default_rng(0), 0.05, {}
    noise = np.where(IS_LABEL, 16, 1)

    def good(n):
        return (noise * rng.gamma(2, 1, (n, SIDE, SIDE))).astype(np.float32)

    for _ in range(20):
        train, calibration, parts, quiet = good(50), good(99), good(200), good(200)
        quiet[:, 2:4, 1] += 15
        zones = Zones.fit(ZONES, train, train, settings(name))
        for kind in ("one", "zones"):
            scores = [
                zones.image_scores(zones.standardize(some), settings(name))
                if kind == "zones"
                else image_scores(some, settings(name))
                for some in (calibration, parts, quiet)
            ]
            threshold = conformal_threshold(scores[0], rate)
            shares = [(some > threshold).mean() for some in scores[1:]]
            found.setdefault(kind, []).append(shares)
    (alarms, quiet), (alarms_before, quiet_before) = (
        np.mean(found[kind], axis=0) for kind in ("zones", "one")
    )
    error = 3 * np.sqrt(rate * (1 - rate) * (1 / 99 + 1 / 200) / 20)
    assert alarms == pytest.approx(rate, abs=error)
    assert alarms_before == pytest.approx(rate, abs=error)
    assert quiet > 0.9
    assert quiet_before < 0.1


def test_zones_share_the_false_alarms():
    rng = np.random.default_rng(0)
    scores = (np.where(IS_LABEL, 9, 1) * rng.gumbel(size=(4000, SIDE, SIDE))).astype(np.float32)
    zones = Zones.fit(ZONES, scores[:2000], scores[:2000], settings("max"))
    standard = zones.standardize(scores[2000:])
    threshold = conformal_threshold(image_scores(standard, settings("max")), 0.1)
    shares = [
        (standard[:, :, here].max(axis=(1, 2)) > threshold).mean() for here in (IS_LABEL, ~IS_LABEL)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.025)


def test_a_zone_in_which_good_images_do_not_differ_does_not_decide_alone():
    scores = np.random.default_rng(0).random((30, SIDE, SIDE), np.float32)
    scores[:, :, ~IS_LABEL] = 3
    zones = Zones.fit(ZONES, scores, scores, settings("max"))
    assert zones.spread[1] == pytest.approx(LEAST * zones.spread[0])
    scores[:] = 3
    zones = Zones.fit(ZONES, scores, scores, settings("max"))
    assert zones.standardize(scores).tolist() == np.zeros_like(scores).tolist()


def test_cut_offs_are_in_the_units_without_zones():
    scores = np.random.default_rng(0).random((30, SIDE, SIDE), np.float32)
    zones = Zones.fit(ZONES, scores, scores**2, settings("max"))
    thresholds = {"image_threshold": 1.5, "pixel_threshold": 2.0}
    by_score = zones.cut_offs(SimpleNamespace(**thresholds, scoring={"anomaly_map": "score"}))
    found = zones.cut_offs(SimpleNamespace(**thresholds, scoring={"anomaly_map": "distance"}))
    for number, (name, here) in enumerate({"label": IS_LABEL, "rest": ~IS_LABEL}.items()):
        assert found[name]["patches"] == SIDE * SIDE // 2
        at_cut_off = np.full((1, SIDE, SIDE), found[name]["image"], np.float32)
        assert zones.standardize(at_cut_off)[0, 0, here] == pytest.approx(1.5, rel=1e-5)
        at_cut_off[:] = found[name]["pixel"]
        assert zones.standardize_distances(at_cut_off)[0, 0, here] == pytest.approx(2, rel=1e-5)
        assert by_score[name]["pixel"] == pytest.approx(
            zones.mean[number] + 2 * zones.spread[number]
        )
    without = zones.cut_offs(
        SimpleNamespace(image_threshold=np.inf, pixel_threshold=np.inf, scoring={})
    )
    assert json.dumps(without["rest"]) == '{"patches": 18, "image": null, "pixel": null}'


def grids(n, seed=0):
    rng = np.random.default_rng(seed)
    noise = np.where(IS_LABEL, 5, 1)[:, None]
    return [
        (f"image {index}", (noise * rng.random((SIDE, SIDE, 3))).astype(np.float32))
        for index in range(n)
    ]


def source(of_images, region=None):
    return SimpleNamespace(
        image_ids=[name for name, _ in of_images],
        patches=lambda: iter(of_images),
        provenance={"region": region and region.as_json(SIDE)},
    )


def fitted(n=24, region=None, **scoring):
    settings = MemoryBankSettings(coreset_ratio=0.5)
    return MemoryBankDetector.fit(source(grids(n), region), settings, ScoringSettings(**scoring))


@pytest.mark.parametrize("normalization", ["none", "position"])
@pytest.mark.parametrize("region", [None, Region(np.tile(np.arange(SIDE) > 0, (SIDE, 1)))])
def test_a_detector_scores_in_the_units_of_each_zone(normalization, region):
    scoring = {
        "normalization": normalization,
        "image_score": "ranked_mean",
        "anomaly_map": "distance",
    }
    plain, zoned = fitted(region=region, **scoring), fitted(region=region, **scoring, zones=ZONES)
    parts = source(grids(5, seed=1), region)
    before, after = plain.detect(parts), zoned.detect(parts)
    np.testing.assert_allclose(
        after.patch_scores, zoned.zones.standardize(before.patch_scores), rtol=1e-5
    )
    alone = [np.where(zoned.zones.numbers == n, before.patch_scores, np.nan) for n in range(2)]
    of_zones = [
        (image_scores(one.astype(np.float32), zoned.scoring) - mean) / spread
        for one, mean, spread in zip(alone, zoned.zones.mean, zoned.zones.spread, strict=True)
    ]
    np.testing.assert_allclose(after.image_scores, np.max(of_zones, axis=0), rtol=1e-4, atol=1e-4)
    expected = zoned.zones.standardize_distances(before.map_values)
    np.testing.assert_allclose(after.map_values, expected, rtol=1e-5)
    assert plain.zones is None
    assert plain.fingerprint != zoned.fingerprint


def test_images_left_out_have_zones_of_the_others():
    detector = fitted(22, image_score="mean_max", zones=ZONES)
    bank = collect_patches(grids(22), 22, {})
    found, detection = next(score_left_out(bank, detector, 1))
    others = [one for one in grids(22) if one[0] not in found.image_ids]
    own = [one for one in grids(22) if one[0] in found.image_ids]
    alone = MemoryBankDetector.fit(
        source(others), MemoryBankSettings(coreset_ratio=0.5), detector.scoring, least_images=1
    )
    np.testing.assert_allclose(
        detection.image_scores, alone.detect(source(own)).image_scores, rtol=1e-4
    )


def test_too_few_good_images_are_refused():
    with pytest.raises(
        InputError, match=r"scoring\.zones needs 20 good .*, and there are 19: give"
    ):
        fitted(19, zones=ZONES)
    detector = fitted(20)
    zoned = detector.scoring.model_copy(update={"zones": ZONES})
    with pytest.raises(InputError, match=r"scoring\.zones = label is fitted on .* to null"):
        detector.with_scoring(zoned)


def test_scores_of_another_grid_are_refused():
    scores = np.ones((20, SIDE, SIDE), np.float32)
    zones = Zones.fit(ZONES, scores, scores, settings("max"))
    with pytest.raises(InputError, match=r"zones are of grids of \[6, 6\] patches, not \[3, 3\]"):
        zones.standardize(scores[:, :3, :3])


@pytest.mark.parametrize(
    "zones",
    [
        {}, [], "label", {"": RIGHT}, {"rest": RIGHT}, {"label": []}, {"label": [[]]}, {"label": RIGHT[0]},
        {"label": [[(0, 0), (0.5, 0.5), (1, 1)]]}, {"label": [[(0, 0), (1, 0), (1.1, 1)]]},
        {"label": [[(0, 0), (1, 0), (-0.1, 1)]]}, {"label": RIGHT, "edge": "mask.png"}, {"label": None}, {1: 2},
    ],
)  # fmt: skip
def test_zones_that_are_none_are_refused_in_a_sentence(zones):
    sentence = r"scoring\.zones cannot be used: Input should be null, or for the name of each zone"
    with pytest.raises(InputError, match=sentence):
        validated(ScoringSettings, {"zones": zones}, "scoring")


@pytest.mark.parametrize(
    "other",
    [
        {"image_score": "thresholded_area", "area_threshold": 1.0},
        {"image_score": "reweighted", "scorer": "nearest"},
        {"detector": "padim"},
    ],
)
def test_what_has_no_zones_is_refused_with_them(other):
    assert validated(ScoringSettings, other, "scoring").zones is None
    with pytest.raises(InputError, match="zones"):
        validated(ScoringSettings, {**other, "zones": ZONES}, "scoring")


def test_a_zone_that_the_image_score_leaves_out_is_named():
    scores = np.ones((20, 8, 8), np.float32)
    with pytest.raises(
        InputError, match=r"block_max leaves out .* the zone or region of interest lies"
    ):
        Zones.fit({"edge": box(0, 0.9, 1, 1)}, scores, scores, settings("block_max"))
