"""A plain folder of good and, if there are any, defective images."""

from __future__ import annotations

from pathlib import PurePosixPath

from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample


class PlainFolderDataset(SplitFolderBase):
    """Plain folder: `<category>/good`, every other folder a defect type, with or without masks.

    A mask is `<category>/masks/<defect type>/<stem>` or `<stem>_mask`, of any extension. For `split` see
    :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.
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
