"""MVTec AD."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar

from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample


class MVTecADDataset(ImageFolderBase):
    """MVTec AD: `<category>/{train/good, test/<type>}`, `ground_truth/<type>/<stem>_mask.png`.

    Images of a folder `validation/good`, if it exists, are for calibration.
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
