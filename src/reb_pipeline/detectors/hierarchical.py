"""Search through layers from coarse to fine: neighbours in one layer limit the search in the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.interface import FeatureSource, check_image_count
from reb_pipeline.detectors.multiscale import evenly_spaced, usual_distance
from reb_pipeline.memory_bank.bank import MemoryBank, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.nearest_patches import search_images, search_other_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings


@dataclass(frozen=True)
class GridBank:
    """All good patches of one layer, image by image, each grid row by row.

    Attributes:
        layer: The layer.
        bank: The whole memory bank of the layer.
        height: Rows of the layer's grid.
        width: Columns of the layer's grid.
    """

    layer: str | int
    bank: MemoryBank
    height: int
    width: int

    def grid(self, image: int) -> np.ndarray:
        """View the features of one good image, [h, w, channels]."""
        n = self.height * self.width
        return self.bank.features[image * n : (image + 1) * n].reshape(self.height, self.width, -1)

    def below(self, rows: np.ndarray, finer: "GridBank") -> np.ndarray:
        """Find the rows of a finer bank at the positions of rows of this bank.

        Args:
            rows: Row numbers of this bank for every position of a grid, integers [h, w, K].
            finer: A bank whose grid splits every position of this bank's grid into factor x factor positions.

        Returns:
            Row numbers of the finer bank for every position of the finer grid, int64 [factor h, factor w, factor² K].
        """
        factor = finer.height // self.height
        y, x = self.bank.y[rows].astype(np.int64), self.bank.x[rows].astype(np.int64)
        corner = (self.bank.image[rows] * finer.height + y * factor) * finer.width + x * factor
        inside = (np.arange(factor)[:, None] * finer.width + np.arange(factor)).ravel()
        children = (corner[..., None] + inside).reshape(*rows.shape[:2], -1)
        return _split(children, factor)


@dataclass(eq=False)
class HierarchicalDetector:
    """Detector that searches layers from coarse to fine.

    The coarsest layer is searched completely. A fine patch lies inside a coarse patch, and is compared only with the
    fine patches inside that coarse patch's nearest rows.

    A layer's patch score is the smallest squared distance found, divided by the mean of good patches compared with the
    other good images. The scores of all layers are added. Memory holds the good features of all layers.

    Attributes:
        scoring: Name and settings of the image score.
        n_neighbors: Number of rows to follow from one layer to the next, or all rows if there are fewer.
    """

    scoring: ImageScoreSettings = ImageScoreSettings()
    n_neighbors: int = 5

    @property
    def nbytes(self) -> int:
        """Bytes of the good features of all layers."""
        return sum(bank.bank.features.nbytes for bank in self._banks)

    def fit(self, good: FeatureSource) -> None:
        """Store the patches of every layer.

        Raises:
            InputError: If there are fewer than two images, or a grid's size is no multiple of a coarser grid's size.
        """
        check_image_count(good, 2, "each is compared with the others")
        self._banks = [_whole_bank(good, layer) for layer in reversed(good.layers)]
        _check_nesting(self._banks)
        coarsest, *finer = self._banks
        sampled = evenly_spaced(good)
        others = coarsest.height * coarsest.width * (len(good.image_ids) - 1)
        self._followed = min(self.n_neighbors, others)
        whole = select_coreset(coarsest.bank, MemoryBankSettings())
        left_out = search_other_images(coarsest.bank, whole, self._followed, sampled)
        found = [
            self._descend([bank.grid(image) for bank in finer], squared, rows)
            for image, squared, rows in zip(
                sampled, left_out.squared_distances, left_out.rows, strict=True
            )
        ]
        self._usual = [usual_distance(np.stack(layer)) for layer in zip(*found, strict=True)]

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches; a good patch has a mean score of 1 per layer."""
        coarsest, *finer = self._banks
        nearest = search_images(images.patches([coarsest.layer]), coarsest.bank, self._followed)
        streams = [images.patches([bank.layer]) for bank in finer]
        found = zip(nearest.squared_distances, nearest.rows, *streams, strict=True)
        scores = [
            self._add(self._descend([grid for _, grid in grids], squared, rows))
            for squared, rows, *grids in found
        ]
        return Detection.of_patches(images.image_ids, np.stack(scores), self.scoring)

    def _descend(
        self, grids: Sequence[np.ndarray], squared: np.ndarray, rows: np.ndarray
    ) -> list[np.ndarray]:
        """Follow the rows nearest to the coarsest patches of one image through the finer layers.

        Args:
            grids: Features of the finer layers, [h, w, channels] each.
            squared: Squared distances of the coarsest patches, ascending, [h, w, K].
            rows: Rows at these distances, [h, w, K].

        Returns:
            Smallest squared distances on the grid of every layer, coarsest first.
        """
        smallest = [squared[..., 0]]
        for (coarse, finer), grid in zip(pairwise(self._banks), grids, strict=True):
            squared, rows = _nearest_of(grid, finer.bank.features, coarse.below(rows, finer))
            rows = rows[..., : self._followed]
            smallest.append(squared[..., 0])
        return smallest

    def _add(self, smallest: list[np.ndarray]) -> np.ndarray:
        """Add the layers' scores of one image on the finest grid."""
        height = self._banks[-1].height
        units = zip(smallest, self._usual, strict=True)
        return np.sum(
            [_split(grid / np.float32(usual), height // len(grid)) for grid, usual in units], axis=0
        )


def _whole_bank(good: FeatureSource, layer: str | int) -> GridBank:
    bank = collect_patches(good.patches([layer]), len(good.image_ids), {})
    return GridBank(layer, bank, int(bank.y[-1]) + 1, int(bank.x[-1]) + 1)


def _check_nesting(banks: list[GridBank]) -> None:
    for coarse, finer in pairwise(banks):
        factor = finer.height // coarse.height
        if (finer.height, finer.width) != (factor * coarse.height, factor * coarse.width):
            msg = (
                f"Layer {finer.layer!r} has a grid of {finer.height} x {finer.width} and {coarse.layer!r} one of "
                f"{coarse.height} x {coarse.width}, which do not nest: choose features.image_size so that one is a "
                f"multiple of the other."
            )
            raise InputError(msg)


def _nearest_of(
    grid: np.ndarray, features: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare patches [h, w, channels] with rows [h, w, n]; return squared distances, ascending, and rows."""
    # One row of the grid at a time keeps the gathered features small.
    squared = np.stack(
        [
            ((features[rows] - patches[:, None]) ** 2).sum(axis=2)
            for patches, rows in zip(grid, candidates, strict=True)
        ]
    )
    order = np.argsort(squared, axis=2, kind="stable")
    return np.take_along_axis(squared, order, axis=2), np.take_along_axis(candidates, order, axis=2)


def _split(grid: np.ndarray, factor: int) -> np.ndarray:
    """Repeat every position of a grid ``factor`` times along both axes."""
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)
