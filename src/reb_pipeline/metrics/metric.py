"""An entry of the tables of metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A number in [0, 1], higher is better; tables print it in percent.

    Attributes:
        title: Name in figures.
        compute: Function that measures it; the table that has the entry says of what.
        headline: Show it in the figure of all categories and in the printed tables of studies.
        in_studies: Keep it in the tables of studies.
    """

    title: str
    compute: Callable[..., float | None]
    headline: bool = False
    in_studies: bool = True

    def __call__(self, *measured: Any) -> float | None:
        """Compute the metric, None where it cannot be measured."""
        value = self.compute(*measured)
        return None if value is None else float(value)
