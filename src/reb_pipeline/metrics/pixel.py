"""Pixel metrics of raw anomaly maps, computed in two streamed passes with bounded memory.

The metrics depend on the scores only through their order, so counts per score bin suffice. The first pass
(:func:`reb_pipeline.metrics.score_bins.choose_bins`) chooses the bins. The second pass fills a histogram; histograms of
several defect types can be added. Each curve is then computed from the counts, from the highest bin down.

A metric is a function of :class:`PixelCounts` and a line in :data:`PIXEL_METRICS`. A metric of MVTec LOCO's saturated
regions has its line in :data:`SATURATED_METRICS`.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Self

import cv2
import numpy as np

from reb_pipeline.metrics.metric import Metric
from reb_pipeline.metrics.score_bins import ScoreBins, strips


def saturation_area(
    region_area: float, saturation_threshold: float, relative_saturation: bool
) -> float:
    """Compute the overlap in pixels at which an annotated region counts as found, as defined by MVTec LOCO.

    Args:
        region_area: Pixels of the region.
        saturation_threshold: A fraction of the region's area if relative, else a number of pixels, at most the area of
            the region.
        relative_saturation: True if the threshold is a fraction.

    Example:
        >>> from reb_pipeline.metrics.pixel import saturation_area
        >>> saturation_area(200, 0.5, relative_saturation=True)
        100.0
        >>> saturation_area(200, 500, relative_saturation=False)  # a region needs at most its own area
        200
    """
    if relative_saturation:
        return saturation_threshold * region_area
    return min(saturation_threshold, region_area)


class _RegionHistogram:
    """Good pixels and overlap of regions per score bin, from which a (saturated) PRO curve is computed.

    ``bins`` are chosen by ``choose_bins``; ``region_count`` is the number of regions in the histogram.
    """

    def __init__(self, bins: ScoreBins) -> None:
        self.bins = bins
        self.good = np.zeros(bins.count, dtype=np.int64)
        self.overlap = np.zeros(bins.count)
        self.region_count = 0

    def __add__(self, other: Self) -> Self:
        """Add the counts of other images; ValueError if the bins differ."""
        if self.bins != other.bins:
            counts = f"{self.bins.count} and {other.bins.count} of them"
            raise ValueError(f"The histograms' bins differ ({counts}): share one choose_bins.")
        total = type(self)(self.bins)
        total.good = self.good + other.good
        total.overlap = self.overlap + other.overlap
        total.region_count = self.region_count + other.region_count
        return total

    def _add_good(self, bins: np.ndarray, others: np.ndarray) -> None:
        # Counting all pixels and subtracting the few others is faster than selecting the good ones.
        np.add.at(self.good, bins.ravel(), 1)
        np.subtract.at(self.good, bins[others], 1)

    def area_under_overlap(self, fpr_limit: float) -> float | None:
        """Average the overlap over false positive rates in [0, fpr_limit]; None without regions or good pixels."""
        if not self.region_count or not self.good.any():
            return None
        hit = np.flatnonzero(self.overlap)[::-1]
        false = _at_or_above(self.good)
        # The overlap rises only within these bins, on a straight line from (fpr before, overlap before).
        fpr = np.column_stack([false[hit] - self.good[hit], false[hit]]).ravel() / false[0]
        rise = self.overlap[hit] / self.region_count
        after = np.cumsum(rise)
        overlap = np.column_stack([after - rise, after]).ravel()
        end = np.interp(fpr_limit, fpr, overlap)
        below = np.searchsorted(fpr, fpr_limit, side="right")
        x = np.concatenate([fpr[:below], [fpr_limit]])
        y = np.concatenate([overlap[:below], [end]])
        return float(np.trapezoid(y, x) / fpr_limit)


@dataclass(frozen=True)
class PixelCounts:
    """Counts of pixels at each threshold that adds anomalous pixels, thresholds in falling order.

    Attributes:
        anomalous: Anomalous pixels with a score in the bin of the threshold, int64 [T].
        good: Good pixels with a score in the bin of the threshold, int64 [T].
        true_positives: Anomalous pixels at or above the threshold, int64 [T].
        false_positives: Good pixels at or above the threshold, int64 [T].
        good_total: Number of all good pixels.
        region_overlap: Normalised area under the per-region overlap; None without regions.
    """

    anomalous: np.ndarray
    good: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    good_total: int
    region_overlap: float | None

    @property
    def anomalous_total(self) -> int:
        """Number of all anomalous pixels."""
        return int(self.true_positives[-1])

    @property
    def anomalous_share(self) -> np.ndarray:
        """Share of the anomalous pixels in the bin of each threshold, float64 [T]: the gain in recall."""
        return self.anomalous / self.anomalous_total


class PixelHistogram(_RegionHistogram):
    """Good and anomalous pixels per score bin, and the overlap of 8-connected regions.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.metrics.pixel import PixelHistogram
        >>> from reb_pipeline.metrics.score_bins import choose_bins
        >>> mask = np.zeros((8, 8), bool)
        >>> mask[2:4, 2:4] = True
        >>> anomaly_map = mask.astype(np.float32)  # a perfect detector
        >>> histogram = PixelHistogram(choose_bins([anomaly_map]))
        >>> histogram.update(anomaly_map, mask)
        >>> {name: float(value) for name, value in histogram.metrics().items()}
        {'pixel_auroc': 1.0, 'pixel_ap': 1.0, 'pixel_f1_max': 1.0, 'au_pro': 1.0}
    """

    def __init__(self, bins: ScoreBins) -> None:
        super().__init__(bins)
        self.anomalous = np.zeros(bins.count, dtype=np.int64)

    def __add__(self, other: Self) -> Self:
        total = super().__add__(other)
        total.anomalous = self.anomalous + other.anomalous
        return total

    def update(
        self, anomaly_map: np.ndarray, mask: np.ndarray, ignored: np.ndarray | None = None
    ) -> None:
        """Count the pixels of one image.

        Args:
            anomaly_map: [H, W] float32, higher = more anomalous.
            mask: [H, W] bool, True = anomalous; all False for a good image.
            ignored: [H, W] bool, pixels that do not count; None counts all.

        Raises:
            ValueError: If the shapes differ, the mask is not bool or a score is not finite.
        """
        _check_mask(mask, anomaly_map)
        mask = mask if ignored is None else mask & ~ignored
        others = mask if ignored is None else mask | ignored
        count, components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        areas = np.bincount(components[mask], minlength=count)
        for rows in strips(mask.shape):
            bins, anomalous = self.bins(anomaly_map[rows]), mask[rows]
            self._add_good(bins, others[rows])
            hit = bins[anomalous]
            np.add.at(self.anomalous, hit, 1)
            np.add.at(self.overlap, hit, 1 / areas[components[rows][anomalous]])
        self.region_count += count - 1  # without the background

    def metrics(self, fpr_limit: float = 0.3) -> dict[str, float | None]:
        """Compute the metrics over all counted pixels.

        Args:
            fpr_limit: False positive rate, over the good pixels of all images, up to which the per-region overlap is
                averaged.

        Returns:
            :data:`PIXEL_METRICS`, each in [0, 1], or None without anomalous or without good pixels.
        """
        if not self.anomalous.any() or not self.good.any():
            return dict.fromkeys(PIXEL_METRICS)
        hit = np.flatnonzero(self.anomalous)[::-1]  # recall changes only in these bins
        anomalous, false = self.anomalous[hit], _at_or_above(self.good)
        counts = PixelCounts(
            anomalous=anomalous,
            good=self.good[hit],
            true_positives=np.cumsum(anomalous),
            false_positives=false[hit],
            good_total=int(false[0]),
            region_overlap=self.area_under_overlap(fpr_limit),
        )
        return {name: metric(counts) for name, metric in PIXEL_METRICS.items()}


class SaturatedHistogram(_RegionHistogram):
    """Good pixels and saturated overlap of annotated regions per score bin (MVTec LOCO)."""

    def update(
        self,
        anomaly_map: np.ndarray,
        regions: list[tuple[np.ndarray, float]],
        ignored: np.ndarray | None = None,
    ) -> None:
        """Count the pixels of one image.

        Args:
            anomaly_map: [H, W] float32, higher = more anomalous.
            regions: (mask [H, W] bool, :func:`saturation_area`) of each annotated region; empty for a good image.
                Regions may overlap, and a region may have several parts.
            ignored: [H, W] bool, good pixels that do not count; None counts all.

        Raises:
            ValueError: If shapes differ, a mask is not bool, a score is not finite, or a saturation area is not
            positive or exceeds its region.
        """
        anomalous = np.zeros(anomaly_map.shape, dtype=bool)
        for mask, saturation in regions:
            _check_mask(mask, anomaly_map)
            area = np.count_nonzero(mask)
            if not 0 < saturation <= area:
                raise ValueError(
                    f"The saturation area {saturation} must lie above 0 and within the region's "
                    f"{area} pixels: scale it to the map's resolution."
                )
            anomalous |= mask
        others = anomalous if ignored is None else anomalous | ignored
        for rows in strips(others.shape):
            self._add_good(self.bins(anomaly_map[rows]), others[rows])
        for mask, saturation in regions:
            self._add_region(self.bins(anomaly_map[mask]), saturation)

    def _add_region(self, bins: np.ndarray, saturation: float) -> None:
        """Spread weight 1 over the ``saturation`` pixels of the region with the highest scores.

        As the threshold falls, pixels are added in order of score, so the weight above it is min(overlap / saturation,
        1).
        """
        weights = np.clip(saturation - np.arange(len(bins)), 0, 1) / saturation
        np.add.at(self.overlap, np.sort(bins)[::-1], weights)
        self.region_count += 1

    def metrics(self, fpr_limit: float = 0.05) -> dict[str, float | None]:
        """Compute the saturated metrics over all counted regions.

        Args:
            fpr_limit: False positive rate, over the pixels outside all regions of all images, up to which the saturated
                overlap is averaged.

        Returns:
            :data:`SATURATED_METRICS`, each in [0, 1]; None without regions or good pixels.
        """
        return {name: metric(self, fpr_limit) for name, metric in SATURATED_METRICS.items()}


def pixel_auroc(counts: PixelCounts) -> float:
    """Compute the area under the ROC curve of pixels."""
    below = counts.good_total - counts.false_positives + counts.good / 2  # ties count half
    return np.sum(counts.anomalous_share * (below / counts.good_total))


def pixel_ap(counts: PixelCounts) -> float:
    """Compute the average precision of pixels: the sum of precision x gain in recall over thresholds."""
    precision = counts.true_positives / (counts.true_positives + counts.false_positives)
    return np.sum(counts.anomalous_share * precision)


def pixel_f1_max(counts: PixelCounts) -> float:
    """Compute the highest F1 score of pixels over all thresholds."""
    predicted = counts.true_positives + counts.false_positives
    return (2 * counts.true_positives / (predicted + counts.anomalous_total)).max()


PIXEL_METRICS = {
    "pixel_auroc": Metric("pixel AUROC", pixel_auroc, headline=True),
    "pixel_ap": Metric("pixel AP", pixel_ap),
    "pixel_f1_max": Metric("pixel F1max (oracle)", pixel_f1_max, in_studies=False),
    # Bergmann et al., CVPR 2020, "Uninformed Students".
    "au_pro": Metric("AU-PRO", attrgetter("region_overlap"), headline=True),
}
# Functions of a SaturatedHistogram and the limit of the false positive rate.
SATURATED_METRICS = {
    # Normalised area under the mean saturated per-region overlap min(|P ∩ A| / s, 1) of prediction P,
    # region A and saturation area s (Bergmann et al., IJCV 2022, "Beyond Dents and Scratches").
    "au_spro": Metric(
        "AU-sPRO", SaturatedHistogram.area_under_overlap, headline=True, in_studies=False
    ),
}


def _at_or_above(counts: np.ndarray) -> np.ndarray:
    """Sum the counts from each bin upwards."""
    return np.cumsum(counts[::-1])[::-1]


def _check_mask(mask: np.ndarray, anomaly_map: np.ndarray) -> None:
    if mask.dtype != bool:
        raise ValueError(f"The mask has dtype {mask.dtype}: give bool, such as mask > 0.")
    if mask.shape != anomaly_map.shape:
        raise ValueError(
            f"The mask has shape {mask.shape} and the anomaly map {anomaly_map.shape}: "
            "resize the mask to the map's resolution."
        )
