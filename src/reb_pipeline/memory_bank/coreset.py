"""Coreset selection: fewer bank rows that still cover the bank."""

import logging
import math

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.allocation import GIB
from reb_pipeline.memory_bank.bank import MEMORY_GIB, Coreset, MemoryBank
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.search.k_center import greedy_k_center

UNION = 2  # rows selected from the pieces per row of the coreset

logger = logging.getLogger(__name__)


def select_coreset(
    bank: MemoryBank,
    settings: MemoryBankSettings,
    description: str | None = None,
    memory_gib: float = MEMORY_GIB,
    device: str = "cpu",
) -> Coreset:
    """Select a share of the bank by greedy k-centre; a share of 1 keeps all rows in order.

    A bank larger than ``memory_gib`` is cut into pieces that fit. Greedy k-centre selects rows from each piece, in
    total twice as many as needed. Then greedy k-centre selects the coreset from these rows. The result differs from
    that of plain greedy k-centre, and a warning says so.

    Args:
        bank: The memory bank.
        settings: Share of its rows, of which at least one is selected, and the seed.
        description: Label of the progress bar; None shows no bar.
        memory_gib: Size of the features that may be processed together, in GiB.
        device: See :func:`greedy_k_center`.

    Raises:
        InputError: If the rows selected from the pieces do not fit in ``memory_gib``.

    Example:
        >>> from reb_pipeline.memory_bank.bank import collect_patches
        >>> grid = np.array([[[0], [1]], [[9], [10]]], np.float32)
        >>> bank = collect_patches([("a", grid)], n_images=1, extractor={})
        >>> coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=0.5))
        >>> coreset.features(bank).tolist()
        [[10.0], [0.0]]
    """
    n_rows, ratio, seed = len(bank.features), settings.coreset_ratio, settings.seed
    if ratio == 1:
        return Coreset.selected(bank, np.arange(n_rows))
    n_select = max(1, int(n_rows * ratio))
    if bank.features.nbytes <= memory_gib * GIB:
        rows = greedy_k_center(bank.features, n_select, seed, description, device)
        return Coreset.selected(bank, rows)
    union = _merge(bank.features, ratio, n_select, seed, description, memory_gib, device)
    rows = greedy_k_center(bank.features[union], n_select, seed, description, device)
    return Coreset.selected(bank, union[rows])


def _merge(
    features: np.ndarray,
    ratio: float,
    n_select: int,
    seed: int,
    description: str | None,
    memory_gib: float,
    device: str,
) -> np.ndarray:
    """Select rows from the pieces of a large bank; row numbers, int64."""
    n_rows, row_gib = len(features), features.nbytes / len(features) / GIB
    pieces = np.linspace(0, n_rows, math.ceil(n_rows * row_gib / memory_gib) + 1).astype(np.int64)
    given = np.ceil(np.diff(pieces) * min(1, UNION * n_select / n_rows)).astype(np.int64)
    if given.sum() * row_gib > memory_gib:
        msg = (
            f"memory_bank.coreset_ratio = {ratio:g} of a memory bank of {n_rows * row_gib:.3g} GiB is selected from "
            f"{given.sum() * row_gib:.3g} GiB of rows at a time, more than compute.memory_gib = {memory_gib:g}: "
            f"lower coreset_ratio or raise memory_gib."
        )
        raise InputError(msg)
    logger.warning(
        "The memory bank takes %.3g GiB, more than compute.memory_gib = %g: the coreset is selected from %d rows "
        "that were selected from %d pieces of the bank, which is not the selection of plain greedy.",
        n_rows * row_gib,
        memory_gib,
        given.sum(),
        len(given),
    )
    return np.concatenate(
        [
            start + greedy_k_center(features[start:stop], n, seed, description, device)
            for start, stop, n in zip(pieces[:-1], pieces[1:], given, strict=True)
        ]
    )
