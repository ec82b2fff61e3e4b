"""Matplotlib figure of images beside their masks and anomaly maps, and the choice of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

_COLUMNS = ("image", "mask", "anomaly map", "overlay")
# Light to dark, so one scale serves the map and, over photographs, the overlay.
_COLOUR_MAP = "YlOrRd"
_STRIDE = 8  # maps are smooth: every eighth pixel tells their distribution
_OVERLAY_OPACITY = 0.75  # of the highest score: the part must stay visible below


class Maps(Protocol):
    """Anomaly maps by image id, see :class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps`."""

    def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
        """The map of one image at a resolution, float32 [height, width]."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """(id, map) of every image."""


class Images(Protocol):
    """What opens images and masks, see :class:`reb_pipeline.images.collection.ImageCollection`."""

    def open_image(self, path: str) -> np.ndarray:
        """One image, uint8 [height, width, 3]."""

    def open_mask(self, mask_paths: Sequence[str]) -> np.ndarray:
        """The united masks of one image, bool [height, width]."""


@dataclass(frozen=True, eq=False)
class Example:
    """One row of the figure.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W] bool, True = anomalous, or None where none was annotated.
        anomaly_map: [H, W] float32, higher = more anomalous.
        title: shown above the row, such as ``cell0012 · defective · score 3.21``.

    Raises:
        ValueError: if the mask or the map is not of the image's height and width.
    """

    image: np.ndarray
    mask: np.ndarray | None
    anomaly_map: np.ndarray
    title: str

    def __post_init__(self) -> None:
        size = self.image.shape[:2]
        for name, array in (("mask", self.mask), ("anomaly map", self.anomaly_map)):
            if array is not None and array.shape != size:
                raise ValueError(
                    f"The {name} of '{self.title}' has shape {array.shape} and its image {size}: "
                    "resize it to the image."
                )


def hardest_images_figure(
    examples: list[Example], title: str, colour_range: tuple[float, float]
) -> Figure:
    """One row an example: image, mask, anomaly map and the map laid over the image.

    Args:
        examples: the rows, at least one.
        title: shown above all rows.
        colour_range: (low, high) score of every map's colours, so that rows can be compared; the
            overlay is fully transparent at or below low.

    Returns:
        The figure, tied to no window or pyplot state.

    Raises:
        ValueError: if there are no examples.
    """
    if not examples:
        raise ValueError("There are no examples to show: choose at least one image.")
    scale = Normalize(*colour_range, clip=True)
    # Inches: a row is as tall as its 2.2 wide image and the row's title.
    heights = [2.2 * len(example.image) / example.image.shape[1] + 0.3 for example in examples]
    figure = Figure(figsize=(10, 0.7 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(examples), len(_COLUMNS), squeeze=False, height_ratios=heights)
    for row, example in zip(axes, examples, strict=True):
        _draw(row, example, scale)
    for axis, name in zip(axes[0], _COLUMNS, strict=True):
        axis.annotate(
            name,
            xy=(0.5, 1),
            xycoords="axes fraction",
            xytext=(0, 22),  # above the row's title
            textcoords="offset points",
            ha="center",
            weight="bold",
        )
    figure.colorbar(
        ScalarMappable(scale, _COLOUR_MAP), ax=axes, label="score", shrink=0.8, aspect=40
    )
    figure.suptitle(title)
    return figure


def hardest_images(scores: pd.DataFrame, per_kind: int = 3) -> list[tuple[str, str]]:
    """The images that say most about a model's errors.

    Args:
        scores: one row an image: ``id`` str, ``image_score`` float, ``label`` 0 or 1.
        per_kind: images of each kind at most.

    Returns:
        (id, kind), in this order: "highest good" (the likeliest false alarms), "lowest anomalous"
        (the likeliest misses) and, for comparison, "highest anomalous"; each from the most extreme
        score on, ties by id. No image appears twice.
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


def examples_of(
    scores: pd.DataFrame, maps: Maps, images: Images, per_kind: int
) -> dict[str, Example]:
    """The hardest images by id, with their masks and maps; arguments as of :func:`hardest_images_of`."""
    by_id = scores.set_index("id")
    examples = {}
    for image_id, kind in hardest_images(scores, per_kind):
        row: Any = by_id.loc[image_id]
        image = images.open_image(row["path"])
        mask = images.open_mask(row["mask_paths"]) if len(row["mask_paths"]) else None
        if row["label"] == 0:
            mask = np.zeros(image.shape[:2], bool)
        name = f"{image_id} · {kind} · {row['defect_type']} · score {row['image_score']:.4g}"
        examples[image_id] = Example(image, mask, maps.at(image_id, image.shape[:2]), name)
    return examples


def hardest_images_of(
    scores: pd.DataFrame, maps: Maps, images: Images, per_kind: int, title: str
) -> Figure:
    """Draw the hardest images of a category on one colour scale.

    The scale starts at the score that 99 % of the good images' pixels stay below, so that they are not painted red.

    Args:
        scores: One row an image: id, path, mask_paths, label, defect_type, image_score.
        maps: Anomaly maps of the same images.
        images: What opens images and masks.
        per_kind: See :func:`hardest_images`.
        title: Title of the figure.
    """
    examples = examples_of(scores, maps, images, per_kind)
    good = set(scores.loc[scores["label"] == 0, "id"])
    pixels = [m[::_STRIDE, ::_STRIDE].ravel() for image_id, m in maps if image_id in good]
    drawn = [example.anomaly_map for example in examples.values()]
    high = float(max(m.max() for m in drawn))
    low = (
        float(np.quantile(np.concatenate(pixels), 0.99))
        if pixels
        else float(min(m.min() for m in drawn))
    )
    return hardest_images_figure(list(examples.values()), title, (min(low, high), high))


def _draw(row: np.ndarray, example: Example, scale: Normalize) -> None:
    """Fill one row of four axes."""
    image_axis, mask_axis, map_axis, overlay_axis = row
    image_axis.set_title(example.title, loc="left", fontsize=10)
    image_axis.imshow(example.image)
    draw_mask(mask_axis, example)
    map_axis.imshow(example.anomaly_map, cmap=_COLOUR_MAP, norm=scale)
    _overlay(overlay_axis, example, scale)
    for axis in row:
        axis.set_axis_off()


def draw_mask(axis: Axes, example: Example) -> None:
    """Show where an example is anomalous, or that nobody said."""
    if example.mask is not None:
        axis.imshow(example.mask, cmap="gray", vmin=0, vmax=1)
        return
    axis.imshow(np.full(example.image.shape, 240, dtype=np.uint8))
    centre = axis.transAxes
    axis.text(0.5, 0.5, "no mask", color="grey", ha="center", va="center", transform=centre)


def _overlay(axis: Axes, example: Example, scale: Normalize) -> None:
    """Lay the map over the image, the more opaque the higher the score."""
    opacity = _OVERLAY_OPACITY * np.asarray(scale(example.anomaly_map))
    axis.imshow(example.image)
    axis.imshow(example.anomaly_map, cmap=_COLOUR_MAP, norm=scale, alpha=opacity)
