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

    @property
    def _config(self) -> str:
        return self._absolute(self._inside("defects_config.json"))

    def check(self) -> None:
        """Check the good training images, and that masks have their saturations.

        Raises:
            InputDatasetError: See the base class; also if there are masks without `defects_config.json`.
        """
        super().check()
        if self._folders(self._inside("ground_truth")) and not self._fs.exists(self._config):
            raise InputDatasetError(
                f"'{self._config}' is missing, so AU-sPRO cannot be measured though there are masks: "
                "take the file from the original download."
            )

    def _region_kinds(self) -> dict[int, tuple[float, bool]]:
        path = self._config
        if not self._fs.exists(path):
            return {}  # check() found no masks either
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
