"""Pixel-level metrics of raw anomaly maps in two streamed passes and bounded memory.

The metrics depend on the scores only through their order, so counts per score bin suffice. The
first pass (:func:`score_bin_edges`) chooses the bins, the second fills a histogram that can be kept
per defect type and added up. Each curve is then read off the counts, from the highest bin down.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
from scipy import ndimage

_TAIL = 2**15  # highest scores that get a bin each: average precision is decided there
_BODY = 2**16  # bins for the rest: their counts bound the error in false positive rate
_SAMPLE = 2**20  # pixels kept to place the body bins
_THINNING = 3  # odd, so that thinned pixels do not line up in columns of power-of-two wide maps


def score_bin_edges(maps: Iterable[np.ndarray]) -> np.ndarray:
    """Bin edges that keep the order of scores whatever their distribution.

    The largest 2**15 scores are edges themselves; the others are quantiles of a strided sample of
    at most 2**20 pixels. Equal-width bins would lose a heavy-tailed score's body.

    Args:
        maps: anomaly maps, each [H, W] float32; read once, never held together.

    Returns:
        [B] float64, sorted, unique, B <= 2**17. Bin b holds edges[b - 1] <= score < edges[b]; the
        first and the last are open, so that any later map can be counted.

    Raises:
        ValueError: if there are no maps, or a score is not finite.
    """
    tail = np.empty(0, dtype=np.float32)
    sample = np.empty(0, dtype=np.float32)
    stride = 1
    for anomaly_map in maps:
        scores = _finite(anomaly_map).ravel()
        sample = np.concatenate([sample, scores[::stride]])
        while len(sample) > _SAMPLE:
            sample = sample[::_THINNING]
            stride *= _THINNING
        if len(tail) == _TAIL:
            scores = scores[scores > tail.min()]
        tail = np.concatenate([tail, scores])
        if len(tail) > _TAIL:
            tail = np.partition(tail, -_TAIL)[-_TAIL:]
    if not len(sample):
        raise ValueError("There are no anomaly maps to choose bins from: check the test images.")
    # Squaring the ranks makes bins finer towards the high scores, where precision changes fastest.
    ranks = (len(sample) - 1) * np.linspace(0, 1, _BODY) ** 2
    body = np.sort(sample)[::-1][ranks.astype(np.int64)]
    return np.unique(np.concatenate([body, tail]).astype(np.float64))


def saturation_area(
    region_area: float, saturation_threshold: float, relative_saturation: bool
) -> float:
    """Overlap in pixels at which an annotated region counts as found, as MVTec LOCO defines it.

    Args:
        region_area: pixels of the region.
        saturation_threshold: a fraction of the region's area if relative, else pixels, of which
            a smaller region needs only its own area.
        relative_saturation: whether the threshold is a fraction.
    """
    if relative_saturation:
        return saturation_threshold * region_area
    return min(saturation_threshold, region_area)


class _RegionHistogram:
    """Good pixels and regions' overlap per score bin: what a (saturated) PRO curve is read off.

    ``edges`` [B] float64 come from :func:`score_bin_edges`, ``region_count`` regions are in it.
    """

    def __init__(self, edges: np.ndarray) -> None:
        self.edges = edges
        self.good = np.zeros(len(edges) + 1, dtype=np.int64)
        self.overlap = np.zeros(len(edges) + 1)
        self.region_count = 0

    def __add__(self, other: Self) -> Self:
        """The histogram of both sets of images; ValueError if the edges differ."""
        if not np.array_equal(self.edges, other.edges):
            sizes = f"{len(self.edges)} and {len(other.edges)} edges"
            raise ValueError(f"The histograms' bins differ ({sizes}): share one score_bin_edges.")
        total = type(self)(self.edges)
        total.good = self.good + other.good
        total.overlap = self.overlap + other.overlap
        total.region_count = self.region_count + other.region_count
        return total

    def _bins(self, scores: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.edges, scores, side="right")

    def _add_good(self, scores: np.ndarray) -> None:
        # Sorted keys stay in cache: four times faster than searching in image order.
        self.good += np.bincount(self._bins(np.sort(scores)), minlength=len(self.good))

    def _add_region(self, scores: np.ndarray, saturation: float) -> None:
        """Spread weight 1 over the region's highest-scored ``saturation`` pixels.

        As the threshold falls, pixels join in order of score, so the weight above it is
        min(overlap / saturation, 1). With saturation = area it is the plain overlap.
        """
        bins = self._bins(np.sort(scores)[::-1])
        weights = np.clip(saturation - np.arange(len(scores)), 0, 1) / saturation
        np.add.at(self.overlap, bins, weights)
        self.region_count += 1

    def _area_under_overlap(self, fpr_limit: float) -> float | None:
        """Mean overlap over the false positive rates in [0, fpr_limit]."""
        if not self.region_count or not self.good.any():
            return None
        fpr = _from_highest(self.good) / self.good.sum()
        overlap = _from_highest(self.overlap) / self.region_count
        below = fpr <= fpr_limit
        x = np.append(fpr[below], fpr_limit)
        y = np.append(overlap[below], np.interp(fpr_limit, fpr, overlap))
        return float(np.trapezoid(y, x) / fpr_limit)


class PixelHistogram(_RegionHistogram):
    """Good and anomalous pixels per score bin, and the overlap of 8-connected regions."""

    def __init__(self, edges: np.ndarray) -> None:
        super().__init__(edges)
        self.anomalous = np.zeros(len(edges) + 1, dtype=np.int64)

    def __add__(self, other: Self) -> Self:
        total = super().__add__(other)
        total.anomalous = self.anomalous + other.anomalous
        return total

    def update(self, anomaly_map: np.ndarray, mask: np.ndarray) -> None:
        """Count one image.

        Args:
            anomaly_map: [H, W] float32, higher = more anomalous.
            mask: [H, W] bool, True = anomalous; all False for a good image.

        Raises:
            ValueError: if the shapes differ, the mask is not bool or a score is not finite.
        """
        scores = _finite(anomaly_map)
        _check_mask(mask, scores)
        self._add_good(scores[~mask])
        np.add.at(self.anomalous, self._bins(np.sort(scores[mask])), 1)
        components, _ = ndimage.label(mask, structure=np.ones((3, 3)))  # 8-connected
        for number, box in enumerate(ndimage.find_objects(components), start=1):
            region = scores[box][components[box] == number]
            self._add_region(region, saturation=len(region))

    def metrics(self, fpr_limit: float = 0.3) -> dict[str, float | None]:
        """Metrics over all pixels counted.

        Args:
            fpr_limit: false positive rate, over the good pixels of all images, up to which the
                per-region overlap is averaged.

        Returns:
            Each in [0, 1], or None without anomalous or without good pixels: ``pixel_auroc``,
            ``pixel_ap``, ``pixel_f1_max`` as for images, and ``au_pro``, the normalised area under
            the per-region overlap (Bergmann et al., CVPR 2020, "Uninformed Students").
        """
        if not self.anomalous.any() or not self.good.any():
            return dict.fromkeys(("pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro"))
        true, false = _from_highest(self.anomalous), _from_highest(self.good)
        recall, fpr = true / true[-1], false / false[-1]
        precision = true[1:] / np.maximum(true[1:] + false[1:], 1)
        return {
            "pixel_auroc": float(np.trapezoid(recall, fpr)),
            "pixel_ap": float(np.diff(recall) @ precision),
            "pixel_f1_max": float((2 * true / (true + false + true[-1])).max()),
            "au_pro": self._area_under_overlap(fpr_limit),
        }


class SaturatedHistogram(_RegionHistogram):
    """Good pixels and saturated overlap of annotated regions per score bin (MVTec LOCO)."""

    def update(self, anomaly_map: np.ndarray, regions: list[tuple[np.ndarray, float]]) -> None:
        """Count one image.

        Args:
            anomaly_map: [H, W] float32, higher = more anomalous.
            regions: (mask [H, W] bool, :func:`saturation_area`) of each annotated region, which may
                overlap another and fall into several parts; a good image has none.

        Raises:
            ValueError: if shapes differ, a mask is not bool, a score is not finite, or a saturation
                area is not positive or exceeds its region.
        """
        scores = _finite(anomaly_map)
        anomalous = np.zeros(scores.shape, dtype=bool)
        for mask, saturation in regions:
            _check_mask(mask, scores)
            area = np.count_nonzero(mask)
            if not 0 < saturation <= area:
                raise ValueError(
                    f"The saturation area {saturation} must lie above 0 and within the region's "
                    f"{area} pixels: scale it to the map's resolution."
                )
            anomalous |= mask
        self._add_good(scores[~anomalous])
        for mask, saturation in regions:
            self._add_region(scores[mask], saturation)

    def metrics(self, fpr_limit: float = 0.05) -> dict[str, float | None]:
        """Saturated metric over all regions counted.

        Args:
            fpr_limit: false positive rate, over the pixels outside every region of all images, up
                to which the saturated overlap is averaged.

        Returns:
            ``au_spro`` in [0, 1], the normalised area under the mean saturated per-region overlap
            min(|P ∩ A| / s, 1) of prediction P, region A and saturation area s (Bergmann et al.,
            IJCV 2022, "Beyond Dents and Scratches"); None without regions or good pixels.
        """
        return {"au_spro": self._area_under_overlap(fpr_limit)}


def _from_highest(counts: np.ndarray) -> np.ndarray:
    """[B + 1] float64: the counts at or above each bin, from none down to all."""
    return np.concatenate([[0.0], np.cumsum(counts[::-1])])


def _finite(anomaly_map: np.ndarray) -> np.ndarray:
    finite = np.isfinite(anomaly_map)
    if not finite.all():
        raise ValueError(
            f"{np.count_nonzero(~finite)} of {finite.size} scores of an anomaly map are not "
            "finite: check the features and the memory bank they came from."
        )
    return anomaly_map


def _check_mask(mask: np.ndarray, anomaly_map: np.ndarray) -> None:
    if mask.dtype != bool:
        raise ValueError(f"The mask has dtype {mask.dtype}: give bool, such as mask > 0.")
    if mask.shape != anomaly_map.shape:
        raise ValueError(
            f"The mask has shape {mask.shape} and the anomaly map {anomaly_map.shape}: "
            "resize the mask to the map's resolution."
        )
