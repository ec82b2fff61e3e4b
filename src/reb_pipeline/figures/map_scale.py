"""Colours of anomaly maps in figures: dark where good parts are, bright above the threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

COLOUR_MAP = "inferno"  # perceptually uniform, and that of the inspection report
TYPICAL = 0.5  # quantile of good pixels that is black: lower values carry no information
_UNUSUAL = 0.999  # quantile that stands for a threshold where none is calibrated
_INSTEAD = "99.9 % quantile of good images' pixels"
_TICKS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7, 10, 20, 50, 100)
_CLEAR = 0.25  # share of the scale below which an overlay is transparent: half way to the threshold
_OVERLAY_OPACITY = 0.6  # opacity of the highest score: the part must stay visible below


@dataclass(frozen=True)
class MapScale:
    """Scale of the colours of all maps of a figure, linear below and above the threshold.

    Attributes:
        low: Score that is black: the median of the pixels of good images.
        threshold: Score in the middle of the colours: the calibrated threshold of pixels, or the 99.9 % quantile of the
            pixels of good images.
        high: Score that is brightest.
        is_calibrated: True if the threshold is the calibrated one.

    Raises:
        ValueError: If the three scores do not rise.
    """

    low: float
    threshold: float
    high: float
    is_calibrated: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.threshold < self.high:
            raise ValueError(f"A scale needs rising scores, not {self}.")

    @classmethod
    def of(
        cls,
        good: Sequence[np.ndarray],
        drawn: Sequence[np.ndarray],
        pixel_threshold: float | None = None,
    ) -> "MapScale":
        """Create the scale of a figure.

        Args:
            good: Maps of good images, may be samples of their pixels; without any, the drawn ones replace them.
            drawn: Maps to draw, at least one.
            pixel_threshold: Highest score of a pixel that is not marked; None if no threshold is calibrated.
        """
        pixels = np.concatenate([values.ravel() for values in good or drawn]).astype(np.float64)
        low, unusual = (float(value) for value in np.quantile(pixels, [TYPICAL, _UNUSUAL]))
        threshold = unusual if pixel_threshold is None else pixel_threshold
        low = min(low, threshold)
        # At least a millionth of the scores' size, so that maps that are all alike have a scale.
        step = max(threshold - low, 1e-6 * max(abs(threshold), 1.0))
        high = max(*(float(values.max()) for values in drawn), threshold + step)
        return cls(threshold - step, threshold, high, pixel_threshold is not None)

    @property
    def norm(self) -> TwoSlopeNorm:
        """Mapping of scores to 0 (black) over 0.5 (threshold) to 1 (brightest)."""
        return TwoSlopeNorm(self.threshold, self.low, self.high)

    def draw(self, axis: Axes, anomaly_map: np.ndarray) -> None:
        """Draw a map."""
        axis.imshow(anomaly_map, cmap=COLOUR_MAP, norm=self.norm)

    def draw_over(self, axis: Axes, anomaly_map: np.ndarray) -> None:
        """Draw a map over an image; what is far below the threshold is transparent, so that it tints nothing."""
        share = np.clip(np.ma.getdata(self.norm(anomaly_map)), 0, 1)
        opacity = _OVERLAY_OPACITY * np.clip((share - _CLEAR) / (1 - _CLEAR), 0, 1) ** 0.5
        axis.imshow(anomaly_map, cmap=COLOUR_MAP, norm=self.norm, alpha=opacity)

    def draw_legend(self, figure: Figure, axes: np.ndarray) -> None:
        """Draw the colour bar beside all axes, in multiples of the threshold where it is positive."""
        colours = ScalarMappable(self.norm, COLOUR_MAP)
        bar = figure.colorbar(
            colours, ax=axes, shrink=0.8, aspect=40, extend="min", extendfrac=0.02
        )
        name = "threshold of pixels" if self.is_calibrated else _INSTEAD
        if self.threshold <= 0:
            bar.set_label(f"score (middle: {name})")
            return
        shown = [tick for tick in _TICKS if self.low <= tick * self.threshold <= self.high]
        places = [tick * self.threshold for tick in shown]
        bar.set_ticks(places, labels=[f"{tick:g} ×" for tick in shown], minor=False)
        bar.minorticks_off()
        bar.set_label(f"score, in multiples of the {name}")
