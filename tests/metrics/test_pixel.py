from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from reb_pipeline.metrics.pixel import (
    PixelHistogram,
    SaturatedHistogram,
    saturation_area,
    score_bin_edges,
)

TOLERANCE = 1e-4


def make_images(kind, count=8, size=128, seed=0):
    """Correlated noise with raised squares in every second image."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for index in range(count):
        mask = np.zeros((size, size), dtype=bool)
        for _ in range(index % 2 * 2):
            side = 1 if kind == "tiny" else rng.integers(2, size // 5)
            row, column = rng.integers(0, size - side, 2)
            mask[row : row + side, column : column + side] = True
        scores = ndimage.gaussian_filter(rng.normal(size=mask.shape), 2) * 7 + 1.5 * mask
        if kind == "heavy-tailed":
            scores = np.exp(3 * scores)
        elif kind == "tied":
            scores = np.round(2 * scores)
        elif kind == "negative":
            scores = scores - 20
        elif kind == "one huge image" and index == 0:
            scores = scores * 1e12
        maps.append(scores.astype(np.float32))
        masks.append(mask)
    return maps, masks


KINDS = ["plain", "heavy-tailed", "tied", "negative", "tiny", "one huge image"]


def fill(edges, maps, masks):
    histogram = PixelHistogram(edges)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        histogram.update(anomaly_map, mask)
    return histogram


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
def test_pixel_metrics_agree_with_scikit_learn(kind):
    # 48 maps hold more pixels than the edges' tail and body together, so bins do merge scores.
    maps, masks = make_images(kind, count=48)
    metrics = fill(score_bin_edges(maps), maps, masks).metrics()
    labels = np.concatenate([mask.ravel() for mask in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)
    assert metrics["pixel_ap"] == pytest.approx(
        average_precision_score(labels, scores), abs=TOLERANCE
    )
    assert metrics["pixel_f1_max"] == pytest.approx(f1.max(), abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [0.05, 0.3])
def test_au_pro_agrees_with_a_threshold_sweep(kind, limit):
    maps, masks = make_images(kind, count=4, size=32)
    histogram = fill(score_bin_edges(maps), maps, masks)
    assert histogram.metrics(limit)["au_pro"] == pytest.approx(
        swept_au_pro(maps, masks, limit), abs=TOLERANCE
    )


@pytest.mark.parametrize("kind", KINDS)
def test_au_spro_agrees_with_a_threshold_sweep(kind):
    maps, masks = make_images(kind, count=4, size=32)
    regions = []
    for mask in masks:
        whole, half = mask, mask & (np.arange(32) < 16)[:, None]
        # Two overlapping annotations with a fractional and a full saturation area.
        fractions = [(whole, 0.37), (half, 1.0)]
        regions.append([(r, f * r.sum()) for r, f in fractions if r.any()])
    histogram = SaturatedHistogram(score_bin_edges(maps))
    for anomaly_map, annotated in zip(maps, regions, strict=True):
        histogram.update(anomaly_map, annotated)
    assert histogram.region_count == sum(map(len, regions))
    assert histogram.metrics()["au_spro"] == pytest.approx(
        swept_au_spro(maps, regions, 0.05), abs=TOLERANCE
    )


def test_merged_bins_keep_au_pro():
    """With so many pixels that the sample of the edges is thinned, the overlap stays exact."""
    maps, masks = make_images("heavy-tailed", count=70)
    exact = np.unique(np.concatenate([m.ravel() for m in maps])).astype(np.float64)
    edges = score_bin_edges(maps)
    assert len(edges) < len(exact) / 4
    for limit in (0.05, 0.3):
        assert fill(edges, maps, masks).metrics(limit)["au_pro"] == pytest.approx(
            fill(exact, maps, masks).metrics(limit)["au_pro"], abs=TOLERANCE
        )


def test_saturated_overlap_by_hand():
    scores = np.array([[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]], dtype=np.float32)
    region = scores >= 6
    histogram = SaturatedHistogram(score_bin_edges([scores]))
    histogram.update(scores, [(region, 2.0)])
    # Weight sits on the two highest pixels; the other two of the region add nothing.
    assert histogram.overlap[::-1][:4] == pytest.approx([0.5, 0.5, 0, 0])
    assert histogram.metrics() == {"au_spro": pytest.approx(1.0)}


def test_full_saturation_of_connected_regions_is_plain_au_pro():
    maps, masks = make_images("plain", count=4, size=32)
    edges = score_bin_edges(maps)
    saturated = SaturatedHistogram(edges)
    for anomaly_map, mask in zip(maps, masks, strict=True):
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        parts = [labelled == number for number in range(1, count + 1)]
        saturated.update(anomaly_map, [(part, float(part.sum())) for part in parts])
    plain = fill(edges, maps, masks)
    assert saturated.region_count == plain.region_count
    assert saturated.metrics(0.3)["au_spro"] == pytest.approx(plain.metrics(0.3)["au_pro"])


def test_diagonal_neighbours_are_one_region():
    mask = np.eye(5, dtype=bool)
    histogram = fill(np.array([0.0]), [np.zeros((5, 5), np.float32)], [mask])
    assert histogram.region_count == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_adding_up_and_order_change_nothing(seed, split):
    maps, masks = make_images("plain", count=4, size=24, seed=seed)
    edges = score_bin_edges(maps)
    whole = fill(edges, maps, masks)
    added = fill(edges, maps[split:], masks[split:]) + fill(edges, maps[:split], masks[:split])
    assert np.array_equal(added.good, whole.good)
    assert np.array_equal(added.anomalous, whole.anomalous)
    assert added.region_count == whole.region_count
    assert added.metrics() == pytest.approx(whole.metrics())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_metrics_depend_on_the_order_of_scores_only(seed):
    maps, masks = make_images("tied", count=4, size=24, seed=seed)
    warped = [np.exp(m) for m in maps]
    expected = fill(score_bin_edges(maps), maps, masks).metrics()
    assert fill(score_bin_edges(warped), warped, masks).metrics() == pytest.approx(expected)


def test_saturated_histograms_add_up():
    maps, masks = make_images("plain", count=4, size=32)
    edges = score_bin_edges(maps)
    parts = [SaturatedHistogram(edges) for _ in range(3)]
    for index in (1, 3):
        region = [(masks[index], 5.0)]
        parts[0].update(maps[index], region)
        parts[index // 2 + 1].update(maps[index], region)
    assert (parts[1] + parts[2]).metrics() == pytest.approx(parts[0].metrics())


def test_edges_are_sorted_unique_and_bounded():
    rng = np.random.default_rng(0)
    edges = score_bin_edges(rng.lognormal(0, 3, (256, 256)).astype(np.float32) for _ in range(20))
    assert edges.dtype == np.float64
    assert (np.diff(edges) > 0).all()
    assert 2**15 < len(edges) <= 2**17


def test_scores_outside_the_edges_are_counted():
    histogram = fill(
        np.array([0.0, 1.0]), [np.array([[-5, 7]], np.float32)], [np.eye(2, dtype=bool)[1:]]
    )
    assert histogram.good.tolist() == [1, 0, 0]
    assert histogram.anomalous.tolist() == [0, 0, 1]


@pytest.mark.parametrize("anomalous", [False, True])
def test_one_class_gives_none(anomalous):
    maps, masks = [np.ones((4, 4), np.float32)], [np.full((4, 4), anomalous)]
    edges = score_bin_edges(maps)
    assert set(fill(edges, maps, masks).metrics().values()) == {None}
    saturated = SaturatedHistogram(edges)
    saturated.update(maps[0], [(masks[0], 2.0)] if anomalous else [])
    assert saturated.metrics() == {"au_spro": None}


@pytest.mark.parametrize(
    ("threshold", "relative", "expected"), [(0.5, True, 50), (30, False, 30), (300, False, 100)]
)
def test_saturation_area(threshold, relative, expected):
    assert saturation_area(100, threshold, relative) == expected


def test_refusals():
    scores, mask = np.zeros((4, 4), np.float32), np.ones((4, 4), dtype=bool)
    histogram, saturated = PixelHistogram(np.array([0.0])), SaturatedHistogram(np.array([0.0]))
    with pytest.raises(ValueError, match=r"\(2, 4\) and the anomaly map \(4, 4\)"):
        histogram.update(scores, mask[:2])
    with pytest.raises(ValueError, match="dtype uint8"):
        histogram.update(scores, mask.astype(np.uint8))
    with pytest.raises(ValueError, match="16 of 16 scores"):
        histogram.update(scores + np.nan, mask)
    with pytest.raises(ValueError, match="1 of 2 scores"):
        score_bin_edges([np.array([[0, np.inf]], np.float32)])
    with pytest.raises(ValueError, match="no anomaly maps"):
        score_bin_edges([])
    with pytest.raises(ValueError, match="saturation area 17"):
        saturated.update(scores, [(mask, 17)])
    with pytest.raises(ValueError, match="saturation area 0"):
        saturated.update(scores, [(mask, 0)])
    with pytest.raises(ValueError, match="1 and 2 edges"):
        histogram + PixelHistogram(np.array([0.0, 1.0]))
