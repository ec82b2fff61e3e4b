"""Layout of MVTec AD."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar

from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.images.collection import Sample


class MVTecADDataset(ImageFolderBase):
    """MVTec AD: `<category>/{train/good, test/<type>}`, masks `ground_truth/<type>/<stem>_mask.png`.

    Images in a folder `validation/good`, if it exists, are for calibration. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.base.ImageFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.MVTecADDataset
          path: data/01_raw
          category: "{category}"
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import MVTecADDataset
        >>> memory = fsspec.filesystem("memory")
        >>> for name in ("screw/train/good/000.png", "screw/test/good/000.png", "screw/test/scratch/000.png"):
        ...     memory.pipe(f"/mvtec_ad/{name}", b"")  # no image is opened here
        >>> dataset = MVTecADDataset(path="memory:///mvtec_ad", category="screw")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'scratch')]
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
        truth = self._inside("ground_truth")
        return [f"{truth}/{path}" for path in self._listing(truth).images]
