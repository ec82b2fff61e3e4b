"""Matplotlib figure of images beside their masks and anomaly maps, and the selection of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reb_pipeline.core.text_lists import from_text
from reb_pipeline.images.samples import open_sample

_COLUMNS = ("image", "mask", "anomaly map", "overlay")
# Light to dark: the same scale works for the map and for the overlay on a photograph.
_COLOUR_MAP = "YlOrRd"
_STRIDE = 8  # maps are smooth: every eighth pixel gives their distribution
_OVERLAY_OPACITY = 0.75  # opacity of the highest score: the part must stay visible below


class Maps(Protocol):
    """Anomaly maps by image id, see :class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps`."""

    def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
        """Get the map of one image at a resolution, float32 [height, width]."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (id, map) of every image."""


class Images(Protocol):
    """Interface for opening images and masks, see :class:`reb_pipeline.images.collection.ImageCollection`."""

    category: str

    def open_image(self, path: str, sha256: str = "") -> np.ndarray:
        """Open one image, uint8 [height, width, 3]."""

    def open_mask(self, mask_paths: Sequence[str]) -> np.ndarray:
        """Open the union of the masks of one image, bool [height, width]."""


@dataclass(frozen=True, eq=False)
class Example:
    """Row of the figure.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W] bool, True = anomalous; None if not annotated.
        anomaly_map: [H, W] float32, higher = more anomalous.
        title: Title of the row, such as ``cell0012 · defective · score 3.21``.

    Raises:
        ValueError: If the mask or the map differs from the image in height or width.
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
    """Draw one row per example: image, mask, anomaly map, and overlay of the map on the image.

    Args:
        examples: The examples, at least one.
        title: Title of the figure.
        colour_range: (low, high) score of the colours of all maps, so that rows can be compared. The overlay is fully
            transparent at or below low.

    Returns:
        The figure, independent of windows and of pyplot state.

    Raises:
        ValueError: If there are no examples.
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


def examples_of(
    scores: pd.DataFrame, maps: Maps, images: Images, per_kind: int
) -> dict[str, Example]:
    """Open the hardest images with their masks and maps, by id; for the arguments see :func:`hardest_images_of`."""
    by_id = scores.set_index("id")
    examples = {}
    for image_id, kind in hardest_images(scores, per_kind):
        row: Any = by_id.loc[image_id]
        image = open_sample(images, row["path"], row.get("sha256", ""))
        mask_paths = from_text(row["mask_paths"])
        mask = images.open_mask(mask_paths) if mask_paths else None
        if row["label"] == 0:
            mask = np.zeros(image.shape[:2], bool)
        name = f"{image_id} · {kind} · {row['defect_type']} · score {row['image_score']:.4g}"
        examples[image_id] = Example(image, mask, maps.at(image_id, image.shape[:2]), name)
    return examples


def hardest_images_of(
    scores: pd.DataFrame, maps: Maps, images: Images, per_kind: int, title: str
) -> Figure:
    """Draw the hardest images of a category on one colour scale.

    The scale starts at the 99 % quantile of the pixels of good images, so that these are not painted red.

    Args:
        scores: One row per image: id, path, mask_paths, label, defect_type, image_score.
        maps: Anomaly maps of the same images.
        images: Opener of images and masks.
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
    """Draw one row of four axes."""
    image_axis, mask_axis, map_axis, overlay_axis = row
    image_axis.set_title(example.title, loc="left", fontsize=10)
    image_axis.imshow(example.image)
    draw_mask(mask_axis, example)
    map_axis.imshow(example.anomaly_map, cmap=_COLOUR_MAP, norm=scale)
    _overlay(overlay_axis, example, scale)
    for axis in row:
        axis.set_axis_off()


def draw_mask(axis: Axes, example: Example) -> None:
    """Draw the mask of an example, or a note that there is none."""
    if example.mask is not None:
        axis.imshow(example.mask, cmap="gray", vmin=0, vmax=1)
        return
    axis.imshow(np.full(example.image.shape, 240, dtype=np.uint8))
    centre = axis.transAxes
    axis.text(0.5, 0.5, "no mask", color="grey", ha="center", va="center", transform=centre)


def _overlay(axis: Axes, example: Example, scale: Normalize) -> None:
    """Draw the map over the image; the opacity grows with the score."""
    opacity = _OVERLAY_OPACITY * np.asarray(scale(example.anomaly_map))
    axis.imshow(example.image)
    axis.imshow(example.anomaly_map, cmap=_COLOUR_MAP, norm=scale, alpha=opacity)
