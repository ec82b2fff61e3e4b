"""Entry of the tables of metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ROUNDING = (
    1e-12  # rounding errors of a sum of many shares are smaller; real differences from 1 are larger
)


@dataclass(frozen=True)
class Metric:
    """Metric in [0, 1], higher is better; tables show it in percent.

    Attributes:
        title: Name in figures.
        compute: Function that computes the metric; its arguments depend on the table of the metric.
        headline: True to show it in the figure of all categories and in the printed tables of studies.
        in_studies: True to keep it in the tables of studies.

    Example:
        >>> from reb_pipeline.metrics.metric import Metric
        >>> accuracy = Metric("accuracy", lambda labels, found: sum(map(int.__eq__, labels, found)) / len(labels))
        >>> accuracy([0, 1, 1, 0], [0, 1, 0, 0])
        0.75
    """

    title: str
    compute: Callable[..., float | None]
    headline: bool = False
    in_studies: bool = True

    def __call__(self, *measured: Any) -> float | None:
        """Compute the metric; exactly 1 where only rounding errors lie between; None if it cannot be computed."""
        value = self.compute(*measured)
        if value is None:
            return None
        return 1.0 if value > 1 - _ROUNDING else float(value)
