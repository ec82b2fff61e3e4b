"""Layers from coarse to fine: the neighbours in one decide where the next is searched."""

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
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings


@dataclass(frozen=True)
class GridBank:
    """All good patches of one layer, image by image, each grid row by row.

    Attributes:
        layer: The layer.
        bank: Its memory bank, whole.
        height: Rows of its grid.
        width: Columns of its grid.
    """

    layer: str | int
    bank: MemoryBank
    height: int
    width: int

    def grid(self, image: int) -> np.ndarray:
        """Features of one good image, [h, w, channels]."""
        n = self.height * self.width
        return self.bank.features[image * n : (image + 1) * n].reshape(self.height, self.width, -1)

    def below(self, rows: np.ndarray, finer: "GridBank") -> np.ndarray:
        """Rows of a finer bank that lie under rows of this one.

        Args:
            rows: Row numbers, integers [h, w, K].
            finer: A bank whose grid is this one's, every position split into factor x factor.

        Returns:
            For every position of the finer grid those under the rows of the position above it, int64
            [factor h, factor w, factor² K].
        """
        factor = finer.height // self.height
        y, x = self.bank.y[rows].astype(np.int64), self.bank.x[rows].astype(np.int64)
        corner = (self.bank.image[rows] * finer.height + y * factor) * finer.width + x * factor
        inside = (np.arange(factor)[:, None] * finer.width + np.arange(factor)).ravel()
        children = (corner[..., None] + inside).reshape(*rows.shape[:2], -1)
        return _split(children, factor)


@dataclass(eq=False)
class HierarchicalDetector:
    """Coarse to fine: fine patches are searched below the neighbours of the coarse patch above them.

    The coarsest layer is searched whole. A patch of a finer layer is compared only with the patches under the rows
    nearest to the coarse patch above it. A layer's patch score is the smallest squared distance found, divided by the
    mean of good patches compared with the other good images; those of all layers are added. Memory is that of the
    good features of all layers.

    Attributes:
        scoring: The image score.
        n_neighbors: Number of rows that are followed from one layer to the next; all where there are fewer.
    """

    scoring: ImageScoreSettings = ImageScoreSettings()
    n_neighbors: int = 5

    @property
    def nbytes(self) -> int:
        """Bytes of the good features of all layers."""
        return sum(bank.bank.features.nbytes for bank in self._banks)

    def fit(self, good: FeatureSource) -> None:
        """Keep the patches of every layer.

        Raises:
            InputError: If there are fewer than two images, or grids do not nest.
        """
        check_image_count(good, 2, "each is compared with the others")
        self._banks = [_whole_bank(good, layer) for layer in reversed(good.layers)]
        _check_nesting(self._banks)
        coarsest, *finer = self._banks
        sampled = evenly_spaced(good)
        others = coarsest.height * coarsest.width * (len(good.image_ids) - 1)
        self._followed = min(self.n_neighbors, others)
        whole = select_coreset(coarsest.bank, 1, 0)
        left_out = search_other_images(coarsest.bank, whole, self._followed, sampled)
        found = [
            self._descend([bank.grid(image) for bank in finer], squared, rows)
            for image, squared, rows in zip(
                sampled, left_out.squared_distances, left_out.rows, strict=True
            )
        ]
        self._usual = [usual_distance(np.stack(layer)) for layer in zip(*found, strict=True)]

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches, 1 a layer being usual for a good patch."""
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
            rows: The rows they belong to.

        Returns:
            The smallest squared distance on the grid of every layer, coarsest first.
        """
        smallest = [squared[..., 0]]
        for (coarse, finer), grid in zip(pairwise(self._banks), grids, strict=True):
            squared, rows = _nearest_of(grid, finer.bank.features, coarse.below(rows, finer))
            rows = rows[..., : self._followed]
            smallest.append(squared[..., 0])
        return smallest

    def _add(self, smallest: list[np.ndarray]) -> np.ndarray:
        """The score of one image's patches on the finest grid."""
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
    """Squared distances [h, w, n], ascending, of patches [h, w, channels] to their candidates, rows [h, w, n]."""
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
    """Every position of a grid repeated ``factor`` times along both axes."""
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)
