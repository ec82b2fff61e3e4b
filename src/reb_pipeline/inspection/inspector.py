"""A packaged model at work: image in, verdict out."""

import io
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.tiles import Tiles
from reb_pipeline.images.resize import resize_image
from reb_pipeline.inspection.defects import Defect, box_in_image, find_defects
from reb_pipeline.inspection.model import PackagedModel, read_model
from reb_pipeline.inspection.network import load_network
from reb_pipeline.inspection.results import Inspection, NearestGood
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import ScoringParams
from reb_pipeline.scoring.anomaly_maps import anomaly_map
from reb_pipeline.scoring.patch_scores import Neighborhoods, search_depth
from reb_pipeline.search.index import NeighborIndex

__all__ = ["Defect", "Inspection", "Inspector", "NearestGood"]

CONTEXT = 4  # patches shown on every side of a good one; fewer show nothing that an eye knows


@dataclass(frozen=True)
class _Neighborhoods(Neighborhoods):
    """Those of one image, among coreset rows that were checked and compared with each other once."""

    checked: Neighborhoods

    def __post_init__(self) -> None:
        """Nothing is left to check."""

    @cached_property
    def graph(self) -> tuple[np.ndarray, np.ndarray]:
        return self.checked.graph


class Inspector:
    """Inspects images with a packaged model, from any number of threads at once.

    Args:
        model: The model.
        engine: What computes the network: ``"onnxruntime"`` or ``"openvino"``.

    Attributes:
        name: Of the category.
        model_id: SHA-256 that stands for all files of the model.
        image_threshold: Highest image score that is not flagged; infinity where the rate cannot be promised.
        pixel_threshold: Highest value of an anomaly map that is not marked; likewise.
        calibration: Scores of good images, and the false-alarm rate.
        manifest: What ``model.json`` holds.

    Raises:
        InputError: If the engine is unknown, not installed or cannot read the network, or the model's parts do not
            belong together.
    """

    def __init__(self, model: PackagedModel, engine: str = "onnxruntime") -> None:
        self.manifest = model.manifest
        self.name: str = model.manifest["name"]
        self.model_id: str = model.manifest["digest"]
        self.calibration = model.calibration
        self.image_threshold = model.calibration.image_threshold
        self.pixel_threshold = model.calibration.pixel_threshold
        features = model.manifest["features"]
        self._side: int = features["image_size"]
        self._tiles = (
            Tiles(
                self._side, features["tile_size"], features["tile_overlap"], features["tile_stride"]
            )
            if features["tile_stride"]
            else None
        )
        self._scoring = ScoringParams.model_validate(model.manifest["scoring"])
        self._network = load_network(model.network, engine)
        self._bank = model.bank
        self._good_images = model.good_images
        self._index = NeighborIndex(model.bank.features)
        self._coreset_fingerprint = model.density.coreset_fingerprint
        # One image is inspected now, so that the first one of the user is not the slowest.
        found, grid = self.search(self._good_image(0))
        self._grid = grid.shape[:2]
        self._checked = Neighborhoods(found, model.density, model.bank.features)
        self.judge(found, grid, (self._side, self._side))

    @classmethod
    def load(cls, path: str | Path, engine: str = "onnxruntime") -> "Inspector":
        """Load a packaged model.

        Args:
            path: The folder that holds ``model.json``, as a path or a URL of any fsspec file system.
            engine: See :class:`Inspector`.

        Raises:
            InputError: If it is no packaged model, of another format, incomplete or changed; and as
                :class:`Inspector`.
        """
        return cls(read_model(path), engine)

    def inspect(self, image: np.ndarray) -> Inspection:
        """Inspect one image.

        Args:
            image: uint8 [height, width, 3] RGB of any size; :func:`reb_pipeline.images.decoding.read_image` makes it
                of a file.

        Raises:
            InputError: If it is no such array.
        """
        start = time.perf_counter()
        found, grid = self.search(image)
        inspection = self.judge(found, grid, image.shape[:2])
        return replace(inspection, seconds=time.perf_counter() - start)

    def search(self, image: np.ndarray) -> tuple[NearestPatches, np.ndarray]:
        """The first half of :meth:`inspect`: patch features, and the nearest coreset rows of each.

        Args:
            image: uint8 [height, width, 3] RGB.

        Returns:
            What was found, for one image, and its patch features in the space of the bank, float32 [h, w, channels].

        Raises:
            InputError: If it is no such array, or the network cannot make finite features of it.
        """
        _insist_on_image(image)
        pixels = resize_image(image, self._side)[None]
        features = (
            self._tiles.features(self._network, pixels) if self._tiles else self._network(pixels)
        )
        if not np.isfinite(features).all():
            msg = "The image gives features that are not finite: package the model again from weights that are."
            raise InputError(msg)
        grid = self._bank.space.apply(features[0])
        h, w, channels = grid.shape
        patches = grid.reshape(h * w, channels)
        depth = search_depth(self._scoring.scorer, self._scoring.n_neighbors)
        squared, rows = self._index.search(patches, depth)
        found = NearestPatches(
            squared_distances=squared.reshape(1, h, w, depth),
            rows=rows.astype(np.int32).reshape(1, h, w, depth),
            peak_features=patches[[squared[:, 0].argmax()]],
            mean_features=patches.mean(axis=0, keepdims=True),
            image_ids=[""],
            coreset_fingerprint=self._coreset_fingerprint,
        )
        return found, grid

    def judge(self, found: NearestPatches, grid: np.ndarray, shape: tuple[int, ...]) -> Inspection:
        """The second half of :meth:`inspect`: scores, map and verdict, without the time taken.

        Args:
            found: What :meth:`search` found.
            grid: Its patch features.
            shape: Height and width of the image in pixels.
        """
        scoring = self._scoring
        among = _Neighborhoods(found, self._checked.density, self._checked.features, self._checked)
        of_patches, (score,) = scoring.judge(among, self.calibration.alpha)
        height, width = shape
        y, x = np.unravel_index(of_patches[0].argmax(), self._grid)
        (p_value,) = self.calibration.p_values([score])
        amap = anomaly_map(of_patches[0], self._side, scoring.smoothing_sigma)
        return Inspection(
            image_score=float(score),
            p_value=float(p_value),
            flagged=bool(score > self.image_threshold),
            anomaly_map=amap,
            defects=find_defects(amap, self.pixel_threshold, (height, width)),
            seconds=0.0,
            worst_patch=self._box(int(y), int(x), 0, (height, width)),
            mean_features=found.mean_features[0],
            worst_feature=grid[y, x],
        )

    def explain(self, inspection: Inspection, n: int = 3) -> list[NearestGood]:
        """The good patches nearest to the worst patch of an image, each of another good image.

        Args:
            inspection: Of this inspector.
            n: Number of good images.

        Returns:
            Nearest first; fewer where the bank has fewer images.
        """
        owners, n_rows = self._bank.image, len(self._bank.image)
        k = min(n, n_rows)
        while True:
            squared, rows = self._index.search(inspection.worst_feature[None], k)
            _, first = np.unique(owners[rows[0]], return_index=True)
            if len(first) >= n or k == n_rows:
                break
            k = min(4 * k, n_rows)
        return [
            self._nearest_good(int(rows[0, position]), float(squared[0, position]))
            for position in np.sort(first)[:n]
        ]

    def _nearest_good(self, row: int, squared: float) -> NearestGood:
        owner = int(self._bank.image[row])
        box = self._box(int(self._bank.y[row]), int(self._bank.x[row]), CONTEXT, (self._side,) * 2)
        left, top, width, height = box
        crop = self._good_image(owner)[top : top + height, left : left + width]
        return NearestGood(self._bank.image_ids[owner], squared**0.5, crop, box)

    def _good_image(self, owner: int) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(self._good_images[owner])) as image:
            return np.asarray(image.convert("RGB"))

    def _box(
        self, y: int, x: int, margin: int, shape: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """A patch, and so many around it, in pixels of an image: x, y, width and height."""
        rows, columns = (
            slice(max(0, at - margin), min(cells, at + margin + 1))
            for at, cells in zip((y, x), self._grid, strict=True)
        )
        return box_in_image((rows, columns), self._grid, shape)


def _insist_on_image(image: np.ndarray) -> None:
    is_image = (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )
    if not is_image:
        given = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        msg = f"An image to inspect must be uint8 [height, width, 3] RGB, not {given.strip()}: convert it."
        raise InputError(msg)
