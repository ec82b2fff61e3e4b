import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from reb_pipeline.metrics.pixel import (
    PIXEL_METRICS,
    PixelHistogram,
    SaturatedHistogram,
    saturation_area,
)
from reb_pipeline.metrics.score_bins import choose_bins

TOLERANCE = 1e-4


def warp(scores, kind):
    """Scores with the same order (but for ties) and a distribution that is hard to bin."""
    warps = {
        "plain": lambda s: s,
        "negative": lambda s: s - 20,
        "both signs": lambda s: s - np.median(s),
        "heavy-tailed": lambda s: np.exp(3 * s),
        "narrow": lambda s: 1 + 1e-3 / (1 + np.exp(-s)),
        "narrow and negative": lambda s: -3 + 1e-2 / (1 + np.exp(-s)),
        "tied": lambda s: np.round(2 * s),
        "constant": np.zeros_like,
        "subnormal": lambda s: s * 1e-41,
        "one huge score": lambda s: np.where(s == s.max(), 1e30, s),
    }
    return warps[kind](scores).astype(np.float32)


def make_images(kind, count=8, size=128, seed=0, side=None, lift=1.5):
    """Correlated noise with raised squares in every second image."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, size, size), dtype=bool)
    for mask in masks[1::2]:
        for _ in range(2):
            width = side or rng.integers(2, size // 5)
            row, column = rng.integers(0, size - width, 2)
            mask[row : row + width, column : column + width] = True
    noise = ndimage.gaussian_filter(rng.normal(size=masks.shape), (0, 2, 2)) * 7
    return list(warp(noise + lift * masks, kind)), list(masks)


KINDS = [
    "plain", "negative", "both signs", "heavy-tailed", "narrow", "narrow and negative", "tied",
    "constant", "subnormal", "one huge score",
]  # fmt: skip


def fill(bins, maps, masks):
    histogram = PixelHistogram(bins)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        histogram.update(anomaly_map, mask)
    return histogram


def exact_metrics(maps, masks):
    labels = np.concatenate([mask.ravel() for mask in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    precision, recall, _ = precision_recall_curve(labels, scores)
    return {
        "pixel_auroc": roc_auc_score(labels, scores),
        "pixel_ap": average_precision_score(labels, scores),
        "pixel_f1_max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
    }


def sweep(maps, good, overlap_at, limit):
    """Area under mean overlap vs. false positive rate, one threshold after the other."""
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        predicted = [m >= threshold for m in maps]
        false = sum(np.sum(p & g) for p, g in zip(predicted, good, strict=True))
        points.append((false / sum(g.sum() for g in good), overlap_at(predicted)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x1 > limit:
            y = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            return (area + (limit - x0) * (y0 + y) / 2) / limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def swept_au_pro(maps, masks, limit):
    regions = []
    for image, mask in enumerate(masks):
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [(image, labelled == number) for number in range(1, count + 1)]

    def overlap(predicted):
        return np.mean([np.sum(predicted[i] & r) / r.sum() for i, r in regions])

    return sweep(maps, [~mask for mask in masks], overlap, limit)


def exact_au_pro(maps, masks, limit):
    """As the sweep, from all sorted scores at once."""
    weights = np.zeros((len(maps), *maps[0].shape))
    count = 0
    for weight, mask in zip(weights, masks, strict=True):
        labelled, n = ndimage.label(mask, np.ones((3, 3)))
        weight[mask] = 1 / np.bincount(labelled[mask])[labelled[mask]]
        count += n
    scores, good = np.ravel(maps), ~np.ravel(masks)
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    fpr = np.append(0, np.cumsum(good[order])[last_of_ties] / good.sum())
    overlap = np.append(0, np.cumsum(weights.ravel()[order])[last_of_ties] / count)
    below = fpr <= limit
    end = np.interp(limit, fpr, overlap)
    return np.trapezoid(np.append(overlap[below], end), np.append(fpr[below], limit)) / limit


def swept_au_spro(maps, regions, limit):
    good = [~np.any([np.zeros(m.shape, bool), *[r for r, _ in rs]], 0)
            for m, rs in zip(maps, regions, strict=True)]  # fmt: skip

    def overlap(predicted):
        return np.mean([
            min(np.sum(p & region) / saturation, 1)
            for p, rs in zip(predicted, regions, strict=True)
            for region, saturation in rs
        ])  # fmt: skip

    return sweep(maps, good, overlap, limit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("side", "lift"), [(None, 1.5), (1, 6)])
def test_pixel_metrics_agree_with_scikit_learn(kind, side, lift):
    # So many maps that bins do merge scores; single pixels are decided by the very highest ones.
    maps, masks = make_images(kind, count=16, side=side, lift=lift)
    metrics = fill(choose_bins(maps), maps, masks).metrics()
    metrics.pop("au_pro")
    assert metrics == pytest.approx(exact_metrics(maps, masks), abs=TOLERANCE)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.05, 5),
    st.floats(0, 4),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e30]),
    st.sampled_from([0.0, -1.0, 1.0, 1e3]),
)
@example(719059, 4.0, 0.5625, 1e-3, 1e3)  # most scores within 1e-7 of the offset
def test_any_distribution_gives_the_metrics_of_its_exact_order(seed, tail, lift, scale, offset):
    rng = np.random.default_rng(seed)
    masks = rng.random((6, 96, 96)) < rng.choice([1e-4, 1e-2, 0.3])
    masks[0, 0, 0] = True
    scores = rng.normal(size=masks.shape) + lift * masks
    maps = (scale * (np.sign(scores) * np.abs(scores) ** tail + offset)).clip(-1e38, 1e38)
    maps = maps.astype(np.float32)
    metrics = fill(choose_bins(maps), maps, masks).metrics()
    metrics.pop("au_pro")
    assert metrics == pytest.approx(exact_metrics(maps, masks), abs=TOLERANCE)


@pytest.mark.parametrize("kind", ["plain", "tied"])
@pytest.mark.parametrize("limit", [1e-3, 0.05, 0.3, 1.0])
def test_au_pro_agrees_with_a_threshold_sweep(kind, limit):
    maps, masks = make_images(kind, count=4, size=32)
    histogram = fill(choose_bins(maps), maps, masks)
    swept = swept_au_pro(maps, masks, limit)
    assert exact_au_pro(maps, masks, limit) == pytest.approx(swept)
    assert histogram.metrics(limit)["au_pro"] == pytest.approx(swept, abs=TOLERANCE)


# Overlap over false positive rate: 0 up to 1/4, a straight line to 1 at 1/2, then 1.
@pytest.mark.parametrize(
    ("limit", "area"), [(0.2, 0), (0.25, 0), (0.375, 1 / 32), (0.5, 1 / 8), (1.0, 5 / 8)]
)
def test_au_pro_up_to_limits_by_hand(limit, area):
    scores = np.array([[9, 5, 5, 1, 0]], np.float32)
    mask = np.array([[False, True, False, False, False]])
    metrics = fill(choose_bins([scores]), [scores], [mask]).metrics(limit)
    assert metrics["au_pro"] == pytest.approx(area / limit)


def test_large_images_are_counted_in_strips_and_their_regions_whole():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1100, 1000)).astype(np.float32)
    mask = np.zeros(scores.shape, bool)
    mask[1000:1060, 10:20] = True  # across the end of a strip
    scores[mask] += 2
    histogram = fill(choose_bins([scores]), [scores], [mask])
    assert histogram.region_count == 1
    assert histogram.overlap.sum() == pytest.approx(1)
    metrics = histogram.metrics()
    assert metrics.pop("au_pro") == pytest.approx(exact_au_pro([scores], [mask], 0.3), abs=1e-4)
    assert metrics == pytest.approx(exact_metrics([scores], [mask]), abs=TOLERANCE)
    saturated = SaturatedHistogram(histogram.bins)
    saturated.update(scores, [(mask, 600.0)])
    assert np.array_equal(saturated.good, histogram.good)
    assert saturated.overlap == pytest.approx(histogram.overlap)


def test_memory_is_bounded_by_a_few_bytes_a_pixel():
    scores = np.random.default_rng(0).random((3000, 2000), np.float32)
    mask = np.zeros(scores.shape, bool)
    mask[100:200, 100:200] = True
    tracemalloc.start()
    fill(choose_bins([scores]), [scores], [mask])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * scores.size + 150e6


@pytest.mark.parametrize("kind", ["plain", "tied", "both signs", "heavy-tailed"])
def test_au_spro_agrees_with_a_threshold_sweep(kind):
    maps, masks = make_images(kind, count=4, size=32)
    regions = []
    for mask in masks:
        whole, half = mask, mask & (np.arange(32) < 16)[:, None]
        # Two overlapping annotations with a fractional and a full saturation area.
        fractions = [(whole, 0.37), (half, 1.0)]
        regions.append([(r, f * r.sum()) for r, f in fractions if r.any()])
    histogram = SaturatedHistogram(choose_bins(maps))
    for anomaly_map, annotated in zip(maps, regions, strict=True):
        histogram.update(anomaly_map, annotated)
    assert histogram.region_count == sum(map(len, regions))
    assert histogram.metrics()["au_spro"] == pytest.approx(
        swept_au_spro(maps, regions, 0.05), abs=TOLERANCE
    )


@pytest.mark.parametrize("kind", KINDS)
def test_merged_bins_keep_au_pro(kind):
    maps, masks = make_images(kind, count=10)
    histogram = fill(choose_bins(maps), maps, masks)
    for limit in (0.05, 0.3):
        assert histogram.metrics(limit)["au_pro"] == pytest.approx(
            exact_au_pro(maps, masks, limit), abs=TOLERANCE
        )


def test_saturated_overlap_by_hand():
    scores = np.array([[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]], dtype=np.float32)
    region = scores >= 6
    histogram = SaturatedHistogram(choose_bins([scores]))
    histogram.update(scores, [(region, 2.0)])
    # Weight sits on the two highest pixels; the other two of the region add nothing.
    assert histogram.overlap[histogram.bins(scores)[0, :4]] == pytest.approx([0.5, 0.5, 0, 0])
    assert histogram.metrics() == {"au_spro": pytest.approx(1.0)}


def test_full_saturation_of_connected_regions_is_plain_au_pro():
    maps, masks = make_images("plain", count=4, size=32)
    bins = choose_bins(maps)
    saturated = SaturatedHistogram(bins)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        parts = [labelled == number for number in range(1, count + 1)]
        saturated.update(anomaly_map, [(part, float(part.sum())) for part in parts])
    plain = fill(bins, maps, masks)
    assert saturated.region_count == plain.region_count
    assert saturated.metrics(0.3)["au_spro"] == pytest.approx(plain.metrics(0.3)["au_pro"])


def test_diagonal_neighbours_are_one_region():
    mask = np.eye(5, dtype=bool)
    maps = [np.zeros((5, 5), np.float32)]
    histogram = fill(choose_bins(maps), maps, [mask])
    assert histogram.region_count == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_adding_up_and_order_change_nothing(seed, split):
    maps, masks = make_images("plain", count=4, size=24, seed=seed)
    bins = choose_bins(maps)
    whole = fill(bins, maps, masks)
    added = fill(bins, maps[split:], masks[split:]) + fill(bins, maps[:split], masks[:split])
    assert np.array_equal(added.good, whole.good)
    assert np.array_equal(added.anomalous, whole.anomalous)
    assert added.region_count == whole.region_count
    assert added.metrics() == pytest.approx(whole.metrics())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_metrics_depend_on_the_order_of_scores_only(seed):
    maps, masks = make_images("tied", count=4, size=24, seed=seed)
    warped = [np.exp(m) for m in maps]
    expected = fill(choose_bins(maps), maps, masks).metrics()
    assert fill(choose_bins(warped), warped, masks).metrics() == pytest.approx(expected)


def test_saturated_histograms_add_up():
    maps, masks = make_images("plain", count=4, size=32)
    bins = choose_bins(maps)
    parts = [SaturatedHistogram(bins) for _ in range(3)]
    for index in (1, 3):
        region = [(masks[index], 5.0)]
        parts[0].update(maps[index], region)
        parts[index // 2 + 1].update(maps[index], region)
    assert (parts[1] + parts[2]).metrics() == pytest.approx(parts[0].metrics())


@pytest.mark.parametrize("anomalous", [False, True])
def test_one_class_gives_none(anomalous):
    maps, masks = [np.ones((4, 4), np.float32)], [np.full((4, 4), anomalous)]
    bins = choose_bins(maps)
    assert fill(bins, maps, masks).metrics() == dict.fromkeys(PIXEL_METRICS)
    saturated = SaturatedHistogram(bins)
    saturated.update(maps[0], [(masks[0], 2.0)] if anomalous else [])
    assert saturated.metrics() == {"au_spro": None}


@pytest.mark.parametrize(
    ("threshold", "relative", "expected"), [(0.5, True, 50), (30, False, 30), (300, False, 100)]
)
def test_saturation_area(threshold, relative, expected):
    assert saturation_area(100, threshold, relative) == expected


def test_refusals():
    scores, mask = np.zeros((4, 4), np.float32), np.ones((4, 4), dtype=bool)
    bins = choose_bins([scores])
    histogram, saturated = PixelHistogram(bins), SaturatedHistogram(bins)
    with pytest.raises(ValueError, match=r"\(2, 4\) and the anomaly map \(4, 4\)"):
        histogram.update(scores, mask[:2])
    with pytest.raises(ValueError, match="dtype uint8"):
        histogram.update(scores, mask.astype(np.uint8))
    with pytest.raises(ValueError, match="16 of 16 scores"):
        histogram.update(scores + np.nan, mask)
    with pytest.raises(ValueError, match="saturation area 17"):
        saturated.update(scores, [(mask, 17)])
    with pytest.raises(ValueError, match="saturation area 0"):
        saturated.update(scores, [(mask, 0)])
    with pytest.raises(ValueError, match="share one choose_bins"):
        histogram + PixelHistogram(choose_bins([scores + 1]))
