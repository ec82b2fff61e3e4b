"""Layouts of the benchmarks that bring their own split: MVTec AD, MVTec LOCO, BTAD and VisA."""

from __future__ import annotations

import csv
import json
from pathlib import PurePosixPath
from typing import ClassVar

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.image_folders import ImageFolderBase
from reb_pipeline.images.collection import Sample
from reb_pipeline.images.folder import IMAGE_SUFFIXES


class MVTecADDataset(ImageFolderBase):
    """MVTec AD: `<category>/{train/good, test/<type>}`, `ground_truth/<type>/<stem>_mask.png`.

    A folder `validation/good`, where there is one, is for calibration.
    """

    _good_folder: ClassVar[str] = "good"

    def _good_images(self) -> list[str]:
        return self._images(self._inside("train", self._good_folder))

    def _list_samples(self) -> list[Sample]:
        samples = [self._good(path, "train") for path in self._good_images()]
        held_out = self._images(self._inside("validation", self._good_folder))
        samples += [self._good(path, "calibration") for path in held_out]
        for kind in self._folders(self._inside("test")):
            images = self._images(self._inside("test", kind))
            if kind == self._good_folder:
                samples += [self._good(path, "test") for path in images]
            else:
                masks = self._masks(self._inside("ground_truth", kind))
                samples += [
                    self._defective(path, kind, masks.get(PurePosixPath(path).stem, ()))
                    for path in images
                ]
        return samples

    def _mask_files(self) -> list[str]:
        kinds = self._folders(self._inside("ground_truth"))
        masks = [self._masks(self._inside("ground_truth", kind)) for kind in kinds]
        return [path for by_stem in masks for paths in by_stem.values() for path in paths]


class BTADDataset(MVTecADDataset):
    """BTAD: `<category>/{train/ok, test/ok, test/ko}`, `ground_truth/ko/<stem>`, in bmp or png."""

    _good_folder = "ok"


class MVTecLOCODataset(MVTecADDataset):
    """MVTec LOCO AD: as MVTec AD, but several masks an image, `ground_truth/<type>/<stem>/NNN.png`.

    Each mask file is one region; its grey value finds the saturation in `defects_config.json`.
    """

    def _masks(self, folder: str) -> dict[str, tuple[str, ...]]:
        masks: dict[str, tuple[str, ...]] = {}
        for path in map(PurePosixPath, sorted(self._fs.find(self._absolute(folder)))):
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                relative = self._relative(path.as_posix())
                masks[path.parent.name] = (*masks.get(path.parent.name, ()), relative)
        return masks

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


class VisADataset(ImageFolderBase):
    """VisA: the table `split_csv/1cls.csv` names object, split, label, image and mask."""

    def _good_images(self) -> list[str]:
        return [
            sample.path
            for sample in self._list_samples()
            if sample.split == "train" and sample.label == 0
        ]

    def _list_samples(self) -> list[Sample]:
        samples = []
        for row in self._rows():
            if row["object"] != self._category:
                continue
            if row["label"] == "normal":
                samples.append(self._good(row["image"], row["split"]))
            else:
                masks = (row["mask"],) if row["mask"] else ()
                samples.append(self._defective(row["image"], row["label"], masks))
        return sorted(samples, key=lambda sample: sample.path)

    def _mask_files(self) -> list[str]:
        return self._images(self._inside("Data", "Masks", "Anomaly"))

    def _categories(self) -> list[str]:
        return sorted({row["object"] for row in self._rows()})

    def _rows(self) -> list[dict[str, str]]:
        path = self._absolute("split_csv/1cls.csv")
        try:
            with self._fs.open(path, "r", encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError as error:
            raise InputDatasetError(
                f"'{path}' does not exist: set `data_root` to the VisA folder that holds split_csv."
            ) from error
        missing = {"object", "split", "label", "image", "mask"}.difference(*rows[:1])
        if missing:
            raise InputDatasetError(
                f"'{path}' lacks the columns {sorted(missing)}: take the file from the original "
                "download."
            )
        return rows
