"""Local density: distances of coreset rows to their nearest other bank rows (REB section 3.3, equation 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank, fingerprint
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.search.index import nearest_other_rows


@dataclass(frozen=True)
class LocalDensity:
    """Distances of each coreset row to its nearest other rows, sufficient for the local density of any K <= K_max.

    Attributes:
        squared_distances: Squared Euclidean distances, ascending, float32 [coreset rows, K_max].
        coreset_fingerprint: Hash of the coreset's features.
        bank_fingerprint: Hash of the bank that was searched, see
            :meth:`reb_pipeline.memory_bank.bank.MemoryBank.fingerprint_of`; empty if an older record does not say.

    Example:
        >>> density = LocalDensity(np.array([[1, 9], [4, 16]], np.float32), coreset_fingerprint="")
        >>> density.mean_distance(2, squared=False).tolist()
        [2.0, 3.0]
    """

    FORMAT: ClassVar[int] = 3
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"coreset": "coreset_fingerprint"}

    squared_distances: np.ndarray
    coreset_fingerprint: str
    bank_fingerprint: str = ""

    def check_bank(self, bank_fingerprint: str) -> None:
        """Check that the searched bank is the one that the coreset was selected from.

        Args:
            bank_fingerprint: Fingerprint of the bank of the coreset; empty if unknown.

        Raises:
            InputError: If it is another bank.
        """
        if self.bank_fingerprint and bank_fingerprint and self.bank_fingerprint != bank_fingerprint:
            msg = (
                "The local density is that of another memory bank or coreset: run the pipeline ldknn_density "
                "again."
            )
            raise InputError(msg)

    def check_coreset(self, coreset_fingerprint: str) -> None:
        """Check that the searched coreset is the one that this density belongs to.

        Args:
            coreset_fingerprint: Hash of the features of the coreset that was searched.

        Raises:
            InputError: If it is another coreset.
        """
        if coreset_fingerprint != self.coreset_fingerprint:
            msg = (
                "The local density is that of another coreset than was searched: "
                "run the pipeline ldknn_density again."
            )
            raise InputError(msg)

    def check_searched(self, found: NearestPatches) -> None:
        """Check that patches were compared with the coreset of this density, and own images with those of its bank.

        Raises:
            InputError: If it was another coreset or bank.
        """
        self.check_coreset(found.coreset_fingerprint)
        if found.bank_fingerprint not in ("", self.bank_fingerprint or found.bank_fingerprint):
            msg = (
                "The nearest patches of good images are those of another memory bank than the local density is: run "
                "the pipeline ldknn_density again."
            )
            raise InputError(msg)

    def check_rows(self, n_rows: int) -> None:
        """Check that there is one row of distances for each coreset row.

        Args:
            n_rows: Number of coreset rows.

        Raises:
            InputError: If the array has another shape.
        """
        shape = self.squared_distances.shape
        if len(shape) != 2 or shape[0] != n_rows:
            msg = (
                f"The local density has the shape {list(shape)}, but the coreset has {n_rows} rows: run the pipeline "
                f"ldknn_density again."
            )
            raise InputError(msg)

    @property
    def max_neighbors(self) -> int:
        """K_max, the largest possible K."""
        return self.squared_distances.shape[1]

    def mean_distance(self, n_neighbors: int, *, squared: bool) -> np.ndarray:
        """Average the distances to the ``n_neighbors`` nearest other rows (LD in the paper).

        Args:
            n_neighbors: K, at most K_max.
            squared: True averages squared distances (reference code), False plain distances (the paper's text).

        Returns:
            float32 [coreset rows].

        Raises:
            InputError: If K is larger than K_max.
        """
        if n_neighbors > self.max_neighbors:
            msg = (
                f"scoring.n_neighbors = {n_neighbors} but neighbours were searched up to {self.max_neighbors}: raise "
                f"scoring.max_neighbors and run the pipeline ldknn_density again."
            )
            raise InputError(msg)
        nearest = self.squared_distances[:, :n_neighbors]
        return (nearest if squared else np.sqrt(nearest)).mean(axis=1)


def check_max_neighbors(bank: MemoryBank, max_neighbors: int) -> None:
    """Check that every row of the bank has so many others.

    Raises:
        InputError: If the bank has no more than K_max rows.
    """
    if max_neighbors >= len(bank.features):
        msg = (
            f"scoring.max_neighbors = {max_neighbors} but the memory bank has {len(bank.features)} rows: "
            f"set it below the number of rows, or give more training images."
        )
        raise InputError(msg)


def measure_local_density(
    bank: MemoryBank,
    coreset: Coreset,
    max_neighbors: int,
    description: str | None = None,
    device: str = "cpu",
) -> LocalDensity:
    """Measure the distances of every coreset row to its nearest other rows of the full bank.

    A row is excluded from its own neighbours by its number. The reference code excludes it by a distance of exactly
    zero, which fails with rounding errors and with duplicates.

    Args:
        bank: The memory bank.
        coreset: The rows to measure.
        max_neighbors: K_max.
        description: Label of the progress bar; None shows no bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If the bank has no more than K_max rows.
    """
    check_max_neighbors(bank, max_neighbors)
    features = coreset.features(bank)
    squared, _ = nearest_other_rows(
        features, coreset.rows, bank.features, max_neighbors, description, device
    )
    return LocalDensity(squared, fingerprint(features), coreset.bank_fingerprint)
