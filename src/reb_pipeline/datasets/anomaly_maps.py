"""Dataset of anomaly maps with a preview in Kedro-Viz."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from reb_pipeline.datasets.arrays import ArraysDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview


class AnomalyMapsDataset(ArraysDataset):
    """Loads and saves :class:`reb_pipeline.scoring.anomaly_maps.AnomalyMaps` as .npz, with a preview as images."""

    def preview(self, n: int = 8) -> ImagePreview:
        """Draw the maps with the highest patch scores on one colour scale, highest first.

        Args:
            n: Largest number of maps.

        Raises:
            InputDatasetError: If the file is incomplete or not such a record.
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
        # Half of all patches are black: most are good.
        low, high = np.median(maps.patch_scores), max(values.max() for _, values in drawn)
        scale, colours = Normalize(min(low, high), high, clip=True), colormaps["inferno"]
        sheet = thumbnail_sheet(
            (image_id, colours(scale(values), bytes=True)[..., :3]) for image_id, values in drawn
        )
        return base64.b64encode(sheet).decode()  # type: ignore[return-value,unused-ignore]
