"""Anomaly maps that Kedro-Viz shows as images."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from reb_pipeline.datasets.arrays import ArraysDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview


class AnomalyMapsDataset(ArraysDataset):
    """:class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps` as an .npz file, with images for Kedro-Viz."""

    def preview(self, n: int = 8) -> ImagePreview:
        """Draw the maps with the highest patch scores on one scale of colours, the highest first.

        Args:
            n: how many maps to show at most.

        Raises:
            InputDatasetError: the file is cut off or no such record.
        """
        import numpy as np
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        from reb_pipeline.images.thumbnails import SIDE, thumbnail_sheet

        maps = self.load()
        highest = np.argsort(-maps.patch_scores.max(axis=(1, 2)), kind="stable")[:n]
        drawn = [
            (maps.image_ids[row], maps.at(maps.image_ids[row], (SIDE, SIDE))) for row in highest
        ]
        scale = Normalize(
            min(values.min() for _, values in drawn), max(values.max() for _, values in drawn)
        )
        colours = colormaps["YlOrRd"]
        sheet = thumbnail_sheet(
            (image_id, colours(scale(values), bytes=True)[..., :3]) for image_id, values in drawn
        )
        return base64.b64encode(sheet).decode()  # type: ignore[return-value,unused-ignore]
