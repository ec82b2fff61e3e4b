"""Matplotlib figure of residual maps by level, like figure 3 of arXiv 2405.09148."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reb_pipeline.figures.examples import (
    STRIDE,
    Example,
    Images,
    Maps,
    draw_mask,
    examples_of,
    has_masks,
    row_heights,
    write_column_title,
    write_row_title,
)
from reb_pipeline.figures.map_scale import COLOUR_MAP, TYPICAL
from reb_pipeline.reconstruction.residual_maps import ResidualMaps

_SUBSCRIPTS = "₁₂₃₄₅₆₇₈₉"
_PANEL = 2.0  # inches: width of a panel


def residual_maps_of(
    scores: pd.DataFrame,
    residuals: ResidualMaps,
    maps: Maps,
    images: Images,
    per_kind: int,
    title: str,
) -> Figure:
    """Draw the residual maps of the hardest images of a category.

    The colour scales start at the median of the pixels of good images. All levels share one scale, since their
    residuals are multiples of a usual residual; the anomaly maps have another.

    Args:
        scores: One row per image: id, path, mask_paths, label, defect_type, image_score.
        residuals: Residual maps of the same images.
        maps: Anomaly maps fused from these residual maps.
        images: Opener of images and masks.
        per_kind: See :func:`reb_pipeline.figures.examples.hardest_images`.
        title: Title of the figure.
    """
    examples = examples_of(scores, maps, images, per_kind)
    drawn = [residuals[image_id] for image_id in examples]
    good = set(scores.loc[scores["label"] == 0, "id"])
    of_good = [m[::STRIDE, ::STRIDE] for image_id, m in maps if image_id in good]
    return residuals_figure(
        list(examples.values()),
        drawn,
        title,
        _range([residuals[image_id] for image_id in sorted(good)], drawn),
        _range(of_good, [example.anomaly_map for example in examples.values()]),
    )


def _range(good: Sequence[np.ndarray], drawn: Sequence[np.ndarray]) -> tuple[float, float]:
    """Compute the values of the darkest and the brightest colour."""
    high = max(float(values.max()) for values in drawn)
    low = np.quantile(np.concatenate([values.ravel() for values in good or drawn]), TYPICAL)
    return min(float(low), high), high


def residuals_figure(
    examples: Sequence[Example],
    residuals: Sequence[np.ndarray],
    title: str,
    residual_range: tuple[float, float],
    map_range: tuple[float, float],
) -> Figure:
    """Draw one row per example: image, mask, the residual map of each level, and the anomaly map.

    Args:
        examples: The examples, at least one.
        residuals: float32 [levels, h, w] of each example, finest level first.
        title: Title of the figure.
        residual_range: (low, high) of the colours of the residual maps.
        map_range: (low, high) of the colours of the anomaly maps.

    Returns:
        The figure, independent of windows and of pyplot state.

    Raises:
        ValueError: If there are no examples.
    """
    if not examples:
        raise ValueError("There are no examples to show: choose at least one image.")
    truth = ["truth"] * has_masks(examples)
    columns = ["image", *truth, *_names(len(residuals[0])), "anomaly map"]
    heights = row_heights(examples, _PANEL)
    figure = Figure(
        figsize=((_PANEL + 0.1) * len(columns) + 1.5, 0.7 + sum(heights)), layout="constrained"
    )
    axes = figure.subplots(len(examples), len(columns), squeeze=False, height_ratios=heights)
    scales = Normalize(*residual_range, clip=True), Normalize(*map_range, clip=True)
    for row, example, levels in zip(axes, examples, residuals, strict=True):
        _draw(row, example, levels, *scales)
    for axis, name in zip(axes[0], columns, strict=True):
        write_column_title(axis, name)
    # The first bar is the rightmost.
    for scale, name in (scales[1], "anomaly map"), (scales[0], "φ, on average 1 on good images"):
        figure.colorbar(
            ScalarMappable(scale, COLOUR_MAP),
            ax=axes,
            label=name,
            shrink=0.8,
            aspect=60,
            fraction=0.02,
        )
    figure.suptitle(title)
    return figure


def _names(n_levels: int) -> list[str]:
    """List the names of the levels, as in the paper."""
    names = [f"φ{sign}" for sign in _SUBSCRIPTS[:n_levels]]
    if n_levels > 1:
        names[0] += " (finest)"
        names[-1] += " (deepest)"
    return names


def _draw(
    row: np.ndarray, example: Example, levels: np.ndarray, of_levels: Normalize, of_map: Normalize
) -> None:
    """Draw one row of axes."""
    height, width = example.image.shape[:2]
    whole = (0, width, height, 0)  # residual maps are coarser than the image
    write_row_title(row[0], example.title)
    row[0].imshow(example.image)
    of_residuals = row[-1 - len(levels) : -1]
    for axis in row[1 : -1 - len(levels)]:
        draw_mask(axis, example)
    for axis, residuals in zip(of_residuals, levels, strict=True):
        axis.imshow(residuals, cmap=COLOUR_MAP, norm=of_levels, extent=whole)
    row[-1].imshow(example.anomaly_map, cmap=COLOUR_MAP, norm=of_map)
    for axis in row:
        axis.set(xticks=[], yticks=[])
        axis.set_axis_off()
