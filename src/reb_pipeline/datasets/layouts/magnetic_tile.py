"""Layout of Magnetic Tile Defects."""

from __future__ import annotations

from pathlib import PurePosixPath

from reb_pipeline.datasets.layouts.seeded_split import SplitFolderBase
from reb_pipeline.images.collection import Sample


class MagneticTileDataset(SplitFolderBase):
    """Magnetic Tile Defects: `MT_<Type>/Imgs/<stem>.jpg` with its mask `<stem>.png` beside it; `MT_Free` is good.

    The whole data root is one category, "magnetic_tile"; defect types are in lower case. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.seeded_split.SplitFolderBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.MagneticTileDataset
          path: data/01_raw
          category: "{category}"
          split: {test: 0.3, calibration: auto, seed: 0}
          false_alarm_rate: 0.05
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import MagneticTileDataset
        >>> memory = fsspec.filesystem("memory")
        >>> for name in ("MT_Free/Imgs/0.jpg", "MT_Free/Imgs/1.jpg", "MT_Crack/Imgs/2.jpg"):
        ...     memory.pipe(f"/tiles/{name}", b"")  # no image is opened here
        >>> dataset = MagneticTileDataset(path="memory:///tiles", category="magnetic_tile")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'crack')]
    """

    def _categories(self) -> list[str]:
        return ["magnetic_tile"] if "MT_Free" in self._folders("") else []

    def _own_folder(self) -> str:
        return ""

    def _known_files(self) -> list[str]:
        # Masks of good tiles are empty: they belong to an image, but nothing is read from them.
        return [mask for _, masks in self._tiles("MT_Free") for mask in masks]

    def _good_images(self) -> list[str]:
        return [path for path, _ in self._tiles("MT_Free")]

    def _other_samples(self) -> list[Sample]:
        return [
            self._defective(path, folder.removeprefix("MT_").lower(), mask_paths)
            for folder in self._folders("")
            if folder.startswith("MT_") and folder != "MT_Free"
            for path, mask_paths in self._tiles(folder)
        ]

    def _mask_files(self) -> list[str]:
        # Masks of good tiles belong to an image too.
        stems = {
            path.rsplit(".", 1)[0] for kind in self._folders("") for path, _ in self._tiles(kind)
        }
        files = [path for kind in self._folders("") for path in self._images(f"{kind}/Imgs")]
        return [
            path
            for path in files
            if path.lower().endswith(".png") and path.rsplit(".", 1)[0] not in stems
        ]

    def _tiles(self, folder: str) -> list[tuple[str, tuple[str, ...]]]:
        """List (image, its masks) of each tile in a folder."""
        files = list(map(PurePosixPath, self._images(f"{folder}/Imgs")))
        masks = {file.stem: (str(file),) for file in files if file.suffix.lower() == ".png"}
        return [
            (str(file), masks.get(file.stem, ())) for file in files if file.suffix.lower() != ".png"
        ]
