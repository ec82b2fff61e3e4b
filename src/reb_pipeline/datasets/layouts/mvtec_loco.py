"""Layout of MVTec LOCO AD."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.mvtec_ad import MVTecADDataset


class MVTecLOCODataset(MVTecADDataset):
    """MVTec LOCO AD: like MVTec AD, but with several masks per image, `ground_truth/<type>/<stem>/NNN.png`.

    Each mask file is one region; its grey value is the key of its saturation in `defects_config.json`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.MVTecLOCODataset
          path: data/01_raw
          category: "{category}"
        ```
    """

    def _masks(self, folder: str) -> dict[str, tuple[str, ...]]:
        masks: dict[str, tuple[str, ...]] = {}
        for path in self._listing(folder).images:
            stem = PurePosixPath(path).parent.name
            masks[stem] = (*masks.get(stem, ()), f"{folder}/{path}")
        return masks

    def _known_files(self) -> list[str]:
        return [self._inside("defects_config.json")]

    def _region_kinds(self) -> dict[int, tuple[float, bool]]:
        path = self._absolute(self._inside("defects_config.json"))
        if not self._fs.exists(path):
            return {}
        try:
            with self._fs.open(path, "r", encoding="utf-8") as file:
                return {
                    int(kind["pixel_value"]): (
                        float(kind["saturation_threshold"]),
                        bool(kind["relative_saturation"]),
                    )
                    for kind in json.load(file)
                }
        except (ValueError, KeyError, TypeError) as error:
            raise InputDatasetError(
                f"'{path}' is no list of defects with pixel_value, saturation_threshold and "
                f"relative_saturation ({error!r}): take the file from the original download."
            ) from error
