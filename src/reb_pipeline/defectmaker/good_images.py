"""Good images of a category as DefectMaker takes them, opened when asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.records import SaliencyMaps


class GoodImages(Sequence[Donor]):
    """Images with their saliency, opened one at a time.

    Args:
        image_ids: Ids of the images.
        paths: Their paths.
        open_image: Opens a path, uint8 [side, side, 3] RGB.
        saliency: Their saliency maps.
    """

    def __init__(
        self,
        image_ids: Sequence[str],
        paths: Sequence[str],
        open_image: Callable[[str], np.ndarray],
        saliency: SaliencyMaps,
    ) -> None:
        self.image_ids = list(image_ids)
        self._paths = list(paths)
        self._open_image = open_image
        self._saliency = saliency

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: Any) -> Any:
        image = self._open_image(self._paths[index])
        return Donor(image, self._saliency.at(self.image_ids[index], len(image)))
