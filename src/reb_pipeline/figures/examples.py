"""Matplotlib figure of images beside their masks and anomaly maps, and the selection of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from reb_pipeline.core.text_lists import masks_of
from reb_pipeline.figures.map_scale import MapScale
from reb_pipeline.images.samples import open_shown
from reb_pipeline.images.shown import is_compressed
from reb_pipeline.metrics.report import resize_mask

STRIDE = 8  # maps are smooth: every eighth pixel gives their distribution
_PANEL = 2.2  # inches: width of a panel
_HIGHEST = 2  # times as high as wide: a higher image is drawn narrower


class Maps(Protocol):
    """Anomaly maps by image id, see :class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps`."""

    def outside(self, image_id: str, shape: tuple[int, int]) -> np.ndarray | None:
        """Find the pixels of a map that were not looked at, bool [height, width]; None if all were."""

    def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
        """Get the map of one image at a resolution, float32 [height, width]."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (id, map) of every image."""


class Images(Protocol):
    """Interface for opening images and masks, see :class:`reb_pipeline.images.collection.ImageCollection`."""

    category: str

    def open_image(self, path: str, sha256: str = "") -> np.ndarray:
        """Open one image, uint8 [height, width, 3]."""

    def open_mask(self, mask_paths: Sequence[str], hashes: Sequence[str] = ()) -> np.ndarray:
        """Open the union of the masks of one image, bool [height, width]; refuse files with other hashes."""


@dataclass(frozen=True, eq=False)
class Example:
    """Row of the figure.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W] bool, True = anomalous; None if not annotated.
        anomaly_map: [H, W] float32, higher = more anomalous.
        title: Title of the row, such as ``cell0012 · defective · score 3.21``.
        outside: [H, W] bool, pixels outside of the region of interest; None if all were looked at.

    Raises:
        ValueError: If the mask or the map differs from the image in height or width.
    """

    image: np.ndarray
    mask: np.ndarray | None
    anomaly_map: np.ndarray
    title: str
    outside: np.ndarray | None = None

    def __post_init__(self) -> None:
        size = self.image.shape[:2]
        for name, array in (("mask", self.mask), ("anomaly map", self.anomaly_map)):
            if array is not None and array.shape != size:
                raise ValueError(
                    f"The {name} of '{self.title}' has shape {array.shape} and its image {size}: "
                    "resize it to the image."
                )


def has_masks(examples: Sequence[Example]) -> bool:
    """Return True if a defect is marked in any example; a column of masks shows nothing otherwise."""
    return any(example.mask is not None and example.mask.any() for example in examples)


def row_heights(examples: Sequence[Example], width: float) -> list[float]:
    """Compute the height of each row in inches, with its title, from the width of a panel in inches."""
    aspects = [example.image.shape[0] / example.image.shape[1] for example in examples]
    return [width * min(aspect, _HIGHEST) + 0.3 for aspect in aspects]


def hardest_images_figure(examples: list[Example], title: str, scale: MapScale) -> Figure:
    """Draw one row per example: image, mask, anomaly map, and overlay of the map on the image.

    Args:
        examples: The examples, at least one; without a marked defect in any, there is no column of masks.
        title: Title of the figure.
        scale: Colours of all maps, so that rows can be compared.

    Returns:
        The figure, independent of windows and of pyplot state.

    Raises:
        ValueError: If there are no examples.
    """
    if not examples:
        raise ValueError("There are no examples to show: choose at least one image.")
    columns = ["image", *["mask"] * has_masks(examples), "anomaly map", "overlay"]
    heights = row_heights(examples, _PANEL)
    size = (_PANEL * len(columns) + 1.2, 0.7 + sum(heights))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(examples), len(columns), squeeze=False, height_ratios=heights)
    for row, example in zip(axes, examples, strict=True):
        _draw(row, example, scale)
    for axis, name in zip(axes[0], columns, strict=True):
        write_column_title(axis, name)
    scale.draw_legend(figure, axes)
    figure.suptitle(title)
    return figure


def hardest_images(scores: pd.DataFrame, per_kind: int = 3) -> list[tuple[str, str]]:
    """Select the images that show a model's errors best.

    Args:
        scores: One row per image: ``id`` str, ``image_score`` float, ``label`` 0 or 1.
        per_kind: Largest number of images of each kind.

    Returns:
        (id, kind) in this order: "highest good" (likely false alarms), "lowest anomalous" (likely misses) and, for
        comparison, "highest anomalous". Each kind starts with the most extreme score; ties are ordered by id. No image
        appears twice.

    Example:
        >>> import pandas as pd
        >>> from reb_pipeline.figures.examples import hardest_images
        >>> scores = pd.DataFrame(
        ...     {"id": list("abcd"), "label": [0, 0, 1, 1], "image_score": [0.1, 0.7, 0.4, 0.9]}
        ... )
        >>> hardest_images(scores, per_kind=1)
        [('b', 'highest good'), ('c', 'lowest anomalous'), ('d', 'highest anomalous')]
    """
    by_id = scores.sort_values("id")
    rising = by_id.sort_values("image_score", kind="stable")
    falling = by_id.sort_values("image_score", kind="stable", ascending=False)
    good = falling.loc[falling["label"] == 0, "id"][:per_kind]
    lowest = rising.loc[rising["label"] == 1, "id"][:per_kind]
    highest = falling.loc[(falling["label"] == 1) & ~falling["id"].isin(lowest), "id"][:per_kind]
    return [
        (image, kind)
        for images, kind in (
            (good, "highest good"),
            (lowest, "lowest anomalous"),
            (highest, "highest anomalous"),
        )
        for image in images
    ]


def hardness(scores: pd.DataFrame, threshold: float) -> pd.Series:
    """Compute by how much each image is on the wrong side of a threshold; negative on the right side.

    Args:
        scores: One row per image: ``image_score`` float, ``label`` 0 or 1.
        threshold: Highest score that is not flagged; infinity, of no threshold, still ranks good and defective ones.
    """
    excess = scores["image_score"] - (threshold if np.isfinite(threshold) else 0.0)
    return excess.where(scores["label"] == 0, -excess)


def examples_of(
    scores: pd.DataFrame, maps: Maps, images: Images, per_kind: int, threshold: float | None = None
) -> dict[str, Example]:
    """Open the hardest images with their masks and maps at the size that they are shown at, by id.

    For the arguments see :func:`hardest_images_of`.
    """
    by_id = scores.set_index("id")
    examples = {}
    for image_id, kind in hardest_images(scores, per_kind):
        row: Any = by_id.loc[image_id]
        image = open_shown(images, row["path"], row.get("sha256", ""))
        shape = image.shape[:2]
        masks = masks_of(row)
        mask = resize_mask(images.open_mask(*masks), shape) if masks[0] else None
        if row["label"] == 0:
            mask = np.zeros(shape, bool)
        name = (
            f"{image_id} · {kind} · {row['defect_type']} · {_score(row['image_score'], threshold)}"
        )
        if is_compressed(row.get("height", 1), row.get("width", 1)):
            name += " · not to scale"
        outside = maps.outside(image_id, shape)
        examples[image_id] = Example(image, mask, maps.at(image_id, shape), name, outside)
    return examples


def hardest_images_of(
    scores: pd.DataFrame,
    maps: Maps,
    images: Images,
    per_kind: int,
    title: str,
    *,
    threshold: float | None = None,
    pixel_threshold: float | None = None,
) -> Figure:
    """Draw the hardest images of a category on one colour scale, see :meth:`.MapScale.of`.

    Args:
        scores: One row per image: id, path, mask_paths, label, defect_type, image_score.
        maps: Anomaly maps of the same images.
        images: Opener of images and masks.
        per_kind: See :func:`hardest_images`.
        title: Title of the figure.
        threshold: Highest image score that is not flagged; None if no threshold is calibrated.
        pixel_threshold: Highest score of a pixel that is not marked; None if no threshold is calibrated.
    """
    examples = examples_of(scores, maps, images, per_kind, threshold)
    good = set(scores.loc[scores["label"] == 0, "id"])
    of_good = [m[::STRIDE, ::STRIDE] for image_id, m in maps if image_id in good]
    drawn = [example.anomaly_map for example in examples.values()]
    scale = MapScale.of(of_good, drawn, pixel_threshold)
    return hardest_images_figure(list(examples.values()), title, scale)


def _score(score: float, threshold: float | None) -> str:
    """Format an image score, also as a multiple of a positive threshold."""
    times = f": {score / threshold:.2f} × the threshold" if threshold and threshold > 0 else ""
    return f"score {score:.4g}{times}"


def _draw(row: np.ndarray, example: Example, scale: MapScale) -> None:
    """Draw one row of three axes, or four with the mask."""
    image_axis, *mask_axis, map_axis, overlay_axis = row
    write_row_title(image_axis, example.title)
    image_axis.imshow(example.image)
    for axis in mask_axis:
        draw_mask(axis, example)
    scale.draw(map_axis, example.anomaly_map)
    overlay_axis.imshow(example.image)
    scale.draw_over(overlay_axis, example.anomaly_map)
    if example.outside is not None and example.outside.any():
        overlay_axis.contour(example.outside, levels=[0.5], colors="#00c853", linewidths=1)
    for axis in row:
        axis.set(xticks=[], yticks=[])  # their labels would take longer than the images
        axis.set_axis_off()


def draw_mask(axis: Axes, example: Example) -> None:
    """Draw the mask of an example, or a note that there is none."""
    if example.mask is not None:
        axis.imshow(example.mask, cmap="gray", vmin=0, vmax=1)
        return
    axis.imshow(np.full(example.image.shape, 240, dtype=np.uint8))
    centre = axis.transAxes
    axis.text(0.5, 0.5, "no mask", color="grey", ha="center", va="center", transform=centre)


def write_row_title(axis: Axes, title: str) -> None:
    """Write the title of a row above its first axis."""
    # A long title must not push the columns apart; the empty title reserves the height.
    _write_above(axis, title, 6, x=0, fontsize=10).set_in_layout(False)
    axis.set_title(" ")


def write_column_title(axis: Axes, title: str) -> None:
    """Write the title of a column above the title of its first row."""
    _write_above(axis, title, 22, x=0.5, ha="center", weight="bold")


def _write_above(axis: Axes, text: str, points: int, x: float, **style: Any) -> Annotation:
    """Write a text at a distance of ``points`` above an axis."""
    return axis.annotate(
        text,
        xy=(x, 1),
        xycoords="axes fraction",
        xytext=(0, points),
        textcoords="offset points",
        **style,
    )
