"""Metrics of one category: over all test images and per defect type."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.core.text_lists import EMPTY, masks_of
from reb_pipeline.metrics.image import image_metrics
from reb_pipeline.metrics.parts import scores_of_parts
from reb_pipeline.metrics.pixel import PixelHistogram, SaturatedHistogram, saturation_area
from reb_pipeline.metrics.registry import LOGICAL, STRUCTURAL
from reb_pipeline.metrics.score_bins import choose_bins

if TYPE_CHECKING:
    import pandas as pd

PixelResolution = Literal["image", "map"]


class Maps(Protocol):
    """Anomaly maps by image id, see :class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps`."""

    def __getitem__(self, image_id: str) -> np.ndarray:
        """Get the map of one image, float32 [size, size]."""

    def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
        """Get the map of one image at another resolution, float32 [height, width]."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (id, map) of every image."""

    def outside(self, image_id: str, shape: tuple[int, int]) -> np.ndarray | None:
        """Find the pixels that were not looked at and do not count, bool [height, width]; None if all were."""


class Masks(Protocol):
    """Interface for opening masks, see :class:`reb_pipeline.images.collection.ImageCollection`."""

    category: str

    @property
    def has_regions(self) -> bool:
        """True if every mask file is one annotated region with a saturation threshold."""

    def open_mask(self, mask_paths: Sequence[str], hashes: Sequence[str] = ()) -> np.ndarray:
        """Open the union of the masks of one image, bool [height, width]; refuse files with other hashes."""

    def open_regions(
        self, mask_paths: Sequence[str], hashes: Sequence[str] = ()
    ) -> list[tuple[np.ndarray, float, bool]]:
        """Open (mask, saturation_threshold, relative_saturation) of each region."""


def evaluate(
    scores: "pd.DataFrame",
    maps: Maps,
    masks: Masks,
    *,
    pro_fpr_limit: float,
    spro_fpr_limit: float,
    pixel_resolution: PixelResolution = "image",
    description: str | None,
) -> dict[str, Any]:
    """Compute image and pixel metrics, over all defects and per defect type against all good images.

    One map and one mask are in memory at a time.

    Args:
        scores: One row a test image: id, label, defect_type, mask_paths (JSON text), width, height, image_score; images
            whose ``is_copy`` is True, and those with a ``pose_fault``, are left out and counted. Where the table has
            the column ``part``, image metrics and numbers of images are those of parts, see
            :func:`reb_pipeline.metrics.parts.scores_of_parts`.
        maps: Anomaly maps of the same images.
        masks: Opener of the masks.
        pro_fpr_limit: Upper limit of the false positive rate in AU-PRO.
        spro_fpr_limit: Upper limit of the false positive rate in AU-sPRO.
        pixel_resolution: "image" resizes the maps to the images, as MVTec's evaluation scripts do. "map" resizes the
            masks to the maps, as the reference code; but sPRO is always at the resolution of the images, which
            saturation areas refer to.
        description: Label of the progress bar; None shows no bar.

    Returns:
        JSON values; metrics in [0, 1], None if they cannot be computed. For MVTec LOCO ``au_spro`` is the mean of its
        two types of anomaly; all other metrics are over all images, and their means by type in
        ``structural_logical_mean``.

    Raises:
        InputError: If no image is left.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from reb_pipeline.metrics.report import evaluate
        >>> from reb_pipeline.scoring.anomaly_maps import AnomalyMaps
        >>> mask = np.zeros((32, 32), bool)
        >>> mask[8:16, 8:16] = True
        >>> class Masks:
        ...     category, has_regions = "screw", False
        ...     def open_mask(self, mask_paths):
        ...         return mask
        >>> patch_scores = np.zeros((2, 4, 4), np.float32)
        >>> patch_scores[1, 1, 1] = 1
        >>> maps = AnomalyMaps(patch_scores, ["a", "b"], size=32, sigma=4)
        >>> scores = pd.DataFrame({
        ...     "id": ["a", "b"], "label": [0, 1], "defect_type": ["good", "scratch"],
        ...     "mask_paths": ["[]", '["b.png"]'], "width": 32, "height": 32, "image_score": [0.0, 1.0],
        ... })
        >>> report = evaluate(
        ...     scores, maps, Masks(), pro_fpr_limit=0.3, spro_fpr_limit=0.05, description=None
        ... )
        >>> report["image_auroc"], report["pixel_auroc"] > 0.99
        (1.0, True)
    """
    others = without_copies(scores)
    n_copies = len(scores) - len(others)
    undecided = others.loc[is_unaligned(others), "label"]
    scores = measured(scores)
    if not len(scores):
        cannot = f", or cannot be aligned ({len(undecided)})" if len(undecided) else ""
        msg = (
            f"All {n_copies + len(undecided)} test images of {masks.category} have the pixels of good training images"
            f"{cannot}, so nothing can be measured: give others to test on."
        )
        raise InputError(msg)
    units = scores_of_parts(scores)
    good = units["label"] == 0
    has_masks = bool((scores["mask_paths"] != EMPTY).any())
    pixels = (
        _PixelMetrics(
            scores, maps, masks, (pro_fpr_limit, spro_fpr_limit), pixel_resolution, description
        )
        if has_masks
        else None
    )

    def measure(kinds: list[str]) -> dict[str, float | None]:
        rows = units[good | units["defect_type"].isin(kinds)]
        return {
            **image_metrics(rows["label"], rows["image_score"]),
            **(pixels.metrics(kinds) if pixels else {}),
        }

    kinds = sorted(units.loc[~good, "defect_type"].unique())
    report: dict[str, Any] = {
        "category": masks.category,
        "good_images": int(good.sum()),
        "anomalous_images": int((~good).sum()),
        "copies_left_out": n_copies,
        "undecided_good": int((undecided == 0).sum()),
        "undecided_anomalous": int((undecided == 1).sum()),
        **_counts_of_parts(scores, units),
        "has_masks": has_masks,
        **measure(kinds),
        "per_defect_type": {kind: measure([kind]) for kind in kinds},
    }
    if {STRUCTURAL, LOGICAL} <= set(kinds):
        halves = [report["per_defect_type"][kind] for kind in (STRUCTURAL, LOGICAL)]
        report["structural_logical_mean"] = {
            name: None if None in (a := [half[name] for half in halves]) else float(np.mean(a))
            for name in halves[0]
        }
        if "au_spro" in halves[0]:
            # Bergmann et al., IJCV 2022, average over the types of anomaly; no pooled figure is published.
            report["au_spro"] = report["structural_logical_mean"]["au_spro"]
    return report


def without_copies(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Leave out test images with the pixels of a good training image, which would flatter the metrics.

    Args:
        scores: Table with the column ``is_copy``; tables of older versions lack it and stay as they are.
    """
    return scores[~scores["is_copy"].astype(bool)] if "is_copy" in scores else scores


def is_unaligned(scores: "pd.DataFrame") -> "pd.Series[bool]":
    """Mark test images whose part cannot be aligned, which the packaged model leaves undecided."""
    if "pose_fault" not in scores:  # images as they were taken
        return scores["label"].isna()
    return scores["pose_fault"] != ""


def measured(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Leave out what metrics do not count: :func:`without_copies`, and images that are undecided."""
    others = without_copies(scores)
    return others[~is_unaligned(others)]


def about_left_out(report: dict[str, Any]) -> list[str]:
    """Say which test images a report does not count, sentences without the full stop."""
    notes = about_copies(report), about_undecided(report), _about_parts(report)
    return [note for note in notes if note]


def about_undecided(report: dict[str, Any]) -> str:
    """Say how many test images are undecided and so neither found nor missed; empty if none is.

    Example:
        >>> from reb_pipeline.metrics.report import about_undecided
        >>> about_undecided({"undecided_good": 1, "undecided_anomalous": 4})[:50]
        '5 test images (1 good, 4 defective) cannot be alig'
    """
    good, anomalous = (report.get(f"undecided_{kind}", 0) for kind in ("good", "anomalous"))
    n = good + anomalous
    if not n:
        return ""
    return (
        f"{n} test image{'' if n == 1 else 's'} ({good} good, {anomalous} defective) cannot be aligned and "
        f"{'is' if n == 1 else 'are'} undecided: neither found nor missed, and left out of the metrics"
    )


def about_copies(report: dict[str, Any]) -> str:
    """Say how many test images were left out of a report as copies of training images; empty if none was."""
    n = report.get("copies_left_out", 0)  # reports of older versions do not count them
    if not n:
        return ""
    return (
        f"{n} test {'image has' if n == 1 else 'images have'} the pixels of a good training image and "
        f"{'is' if n == 1 else 'are'} left out of the metrics"
    )


def _counts_of_parts(scores: "pd.DataFrame", parts: "pd.DataFrame") -> dict[str, Any]:
    """Count the parts that are left out, see :func:`scores_of_parts`; nothing where each image is a part."""
    if "part" not in scores:
        return {}
    return {"units": "parts", "parts_left_out": int(scores["part"].nunique()) - len(parts)}


def _about_parts(report: dict[str, Any]) -> str:
    """Say how many test parts are left out for their number of views; empty if none is."""
    n = report.get("parts_left_out", 0)
    if not n:
        return ""
    have, are = ("has", "is") if n == 1 else ("have", "are")
    return (
        f"{n} test part{'' if n == 1 else 's'} of several views {have} too many of them, or {are} good and lack"
        f"{'s' if n == 1 else ''} one: left out of the metrics, because nothing is promised for that number"
    )


class _PixelMetrics:
    """Histograms of pixel scores: one of the good images, and one per defect type that is added to it."""

    def __init__(
        self,
        scores: "pd.DataFrame",
        maps: Maps,
        masks: Masks,
        limits: tuple[float, float],
        resolution: PixelResolution,
        description: str | None,
    ) -> None:
        self._limits = limits

        def map_of(row: Any) -> np.ndarray:
            shape = (row.height, row.width)
            return maps.at(row.id, shape) if resolution == "image" else maps[row.id]

        bins = choose_bins(map_of(row) for row in scores.itertuples())
        kinds = ["", *scores.loc[scores["label"] == 1, "defect_type"].unique()]
        self._by_kind = {kind: PixelHistogram(bins) for kind in kinds}
        self._regions = (
            {kind: SaturatedHistogram(bins) for kind in kinds} if masks.has_regions else None
        )
        row: Any
        for row in progress(scores.itertuples(), description, total=len(scores)):
            if row.label == 1 and row.mask_paths == EMPTY:
                continue  # an anomalous image without a mask has no known defect pixels
            kind = row.defect_type if row.label == 1 else ""
            anomaly_map = map_of(row)
            mask = np.zeros((row.height, row.width), bool)
            if row.label == 1:
                mask = masks.open_mask(*masks_of(row))
            if mask.shape != anomaly_map.shape:
                mask = resize_mask(mask, anomaly_map.shape)
            self._by_kind[kind].update(anomaly_map, mask, maps.outside(row.id, mask.shape))
            if self._regions is not None:
                regions = masks.open_regions(*masks_of(row)) if row.label == 1 else []
                outside = maps.outside(row.id, (row.height, row.width))
                if outside is not None:
                    regions = [(region & ~outside, *rest) for region, *rest in regions]
                areas = [
                    (region, saturation_area(float(region.sum()), threshold, relative))
                    for region, threshold, relative in regions
                    if region.any()
                ]
                if resolution == "map":
                    anomaly_map = maps.at(row.id, (row.height, row.width))
                self._regions[kind].update(anomaly_map, areas, outside)

    def metrics(self, kinds: list[str]) -> dict[str, float | None]:
        """Compute the metrics of given defect types together, against all good images."""
        pro_limit, spro_limit = self._limits
        histogram = self._by_kind[""]
        for kind in kinds:
            histogram = histogram + self._by_kind[kind]
        found = histogram.metrics(pro_limit)
        if self._regions is not None:
            regions = self._regions[""]
            for kind in kinds:
                regions = regions + self._regions[kind]
            found = {**found, **regions.metrics(spro_limit)}
        return found


def resize_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a mask as the reference code does: bicubic interpolation, then every pixel above 0 is anomalous.

    Unlike nearest-neighbour sampling, this never loses a defect of a few pixels.

    Args:
        mask: bool [h, w].
        shape: New height and width.

    Returns:
        bool [height, width].

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.metrics.report import resize_mask
        >>> mask = np.zeros((64, 64), bool)
        >>> mask[10, 10] = True
        >>> bool(resize_mask(mask, (16, 16)).any())
        True
    """
    height, width = shape
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) > 0
