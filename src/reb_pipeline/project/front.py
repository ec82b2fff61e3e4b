"""Measured front of accuracy over cost: configurations that a budget chooses from."""

from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

import pandas as pd

MB = 1e6  # bytes
# Bytes of a coreset row beside its features and density: number of its image, y and x.
_PLACE = 8


@dataclass(frozen=True)
class Point:
    """Configuration of the front.

    Attributes:
        backbone: See :func:`reb_pipeline.features.backbones.backbone_spec`.
        neck: A key of :data:`reb_pipeline.features.neck.NECKS`.
        image_size: Side of the network's input in pixels.
        coreset_ratio: Share of the memory bank's rows in the coreset.
        patches: Patches of an image.
        channels: Features of a patch.
        network_mb: Size of the packaged network in MB.
        image_auroc: Image AUROC in percent, the mean over the development data sets.
    """

    backbone: str
    neck: str
    image_size: int
    coreset_ratio: float
    patches: int
    channels: int
    network_mb: float
    image_auroc: float

    def __str__(self) -> str:
        share = f"{100 * self.coreset_ratio:g} %"
        return f"{self.backbone}, {self.image_size} px, coreset {share}"

    def settings(self) -> dict[str, dict[str, Any]]:
        """Give the settings of the parameters, by section."""
        names = ("backbone", "neck", "image_size")
        return {
            "features": {name: getattr(self, name) for name in names},
            "memory_bank": {"coreset_ratio": self.coreset_ratio},
        }

    def costs_no_less(self, other: "Point") -> bool:
        """Return True if the same network computes no fewer pixels, and no smaller share of the rows is searched."""
        return (
            (self.backbone, self.neck) == (other.backbone, other.neck)
            and self.image_size >= other.image_size
            and self.coreset_ratio >= other.coreset_ratio
        )

    def megabytes(self, n_images: int, max_neighbors: int, photo_bytes: float) -> float:
        """Estimate the size of a packaged model.

        Args:
            n_images: Number of good photos that are learnt from.
            max_neighbors: K_max; the model has so many distances of each row.
            photo_bytes: Bytes of a good photo in the model, 0 where it has none.
        """
        rows = self.coreset_ratio * n_images * self.patches
        row = 4 * self.channels + 4 * max_neighbors + _PLACE
        return self.network_mb + (rows * row + n_images * photo_bytes) / MB


def read_front() -> list[Point]:
    """Read the measured configurations, the most accurate first; docs/measured/front.md says how they were measured."""
    with files(__package__).joinpath("front.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#")
    best_first = table.sort_values("image_auroc", ascending=False, kind="stable")
    rows = best_first[[field.name for field in fields(Point)]].itertuples(index=False)
    return [Point(*row) for row in rows]
