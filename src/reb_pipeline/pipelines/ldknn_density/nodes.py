"""Nodes of the local density pipeline."""

from reb_pipeline.neighbors.bank import Coreset, MemoryBank
from reb_pipeline.neighbors.density import LocalDensity
from reb_pipeline.parameters import LDKNNParams


def measure_local_density(
    memory_bank: MemoryBank, coreset: Coreset, params: LDKNNParams
) -> LocalDensity:
    """Find the ``max_neighbors`` nearest other bank rows of every coreset row."""
    from reb_pipeline.neighbors import density

    return density.measure_local_density(
        memory_bank, coreset, params.max_neighbors, "local density of the memory bank"
    )
