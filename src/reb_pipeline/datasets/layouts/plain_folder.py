"""Layout of a plain folder with good and, optionally, defective images."""

from __future__ import annotations

from pathlib import PurePosixPath

from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample


class PlainFolderDataset(SplitFolderBase):
    """Plain folder: `<category>/good`; every other folder is a defect type, with or without masks.

    A mask is `<category>/masks/<defect type>/<stem>` or `<stem>_mask`, with any extension. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.PlainFolderDataset
          path: data/01_raw
          category: "{category}"
          split: {test: 0.3, calibration: auto, seed: 0}
          false_alarm_rate: 0.05
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import PlainFolderDataset
        >>> memory = fsspec.filesystem("memory")
        >>> for name in ("bolt/good/0.png", "bolt/good/1.png", "bolt/bent/0.png"):
        ...     memory.pipe(f"/parts/{name}", b"")  # no image is opened here
        >>> dataset = PlainFolderDataset(path="memory:///parts", category="bolt")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'bent')]
    """

    def _good_images(self) -> list[str]:
        return self._images(self._inside("good"))

    def _other_samples(self) -> list[Sample]:
        samples = []
        for kind in self._folders(self._inside()):
            if kind not in ("good", "masks"):
                masks = self._masks(self._inside("masks", kind))
                samples += [
                    self._defective(path, kind, masks.get(PurePosixPath(path).stem, ()))
                    for path in self._images(self._inside(kind))
                ]
        return samples

    def _mask_files(self) -> list[str]:
        kinds = self._folders(self._inside("masks"))
        return [path for kind in kinds for path in self._images(self._inside("masks", kind))]
