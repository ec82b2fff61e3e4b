"""A memory bank that gains and loses good images, and the coreset and local density that follow it."""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.progress import progress
from reb_pipeline.memory_bank.bank import (
    GIB,
    MEMORY_GIB,
    Coreset,
    MemoryBank,
    collect_patches,
    fingerprint,
)
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.search.flat import squared_distances
from reb_pipeline.search.index import NeighborIndex, nearest_neighbors, nearest_other_rows

ROWS_PER_BLOCK = 8192
# Of the bank: where more is forgotten, most rows lose one of 15 neighbours, and to find out which does not pay.
LARGEST_SHARE = 1 / 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """Which rows of a bank are in the bank that it became, where they come first and in their order.

    Attributes:
        kept: Row numbers in the former bank, ascending, int64; in the present one they are 0, 1, 2, ….
        forgotten: Row numbers in the former bank, ascending, int64.
    """

    kept: np.ndarray
    forgotten: np.ndarray


def update_bank(
    bank: MemoryBank,
    forget: Collection[str] = (),
    patches: Iterable[tuple[str, np.ndarray]] = (),
    n_added: int = 0,
    memory_gib: float = MEMORY_GIB,
) -> MemoryBank:
    """Leave out some images of a bank and append others.

    The result is, bit by bit, the bank that :func:`reb_pipeline.memory_bank.bank.collect_patches` makes of the patch
    features of the kept images, in their order, and then the added ones.

    Args:
        bank: The memory bank.
        forget: Ids of images to leave out.
        patches: (image id, float32 [h, w, channels]) of each image to append, from the bank's extractor.
        n_added: Their number.
        memory_gib: See :func:`reb_pipeline.memory_bank.bank.collect_patches`.

    Raises:
        InputError: If the bank's distance was fitted to all of its images, an id to forget is unknown or one to append
            is not new, or no image is left.
    """
    if bank.whitening.size:
        msg = (
            f"The memory bank's distance is {bank.distance}, which is fitted to all good images together, so none can "
            f"be added or forgotten: run the pipeline memory_bank again, or set memory_bank.distance to euclidean."
        )
        raise InputError(msg)
    check_known(forget, bank.image_ids, "Image of the memory bank")
    gone = set(forget)
    grids = _grids(bank)
    stay = [image for image, image_id in enumerate(bank.image_ids) if image_id not in gone]
    stream = chain(
        ((bank.image_ids[image], grids[image]) for image in stay), _in_space(bank, patches)
    )
    updated = collect_patches(stream, len(stay) + n_added, bank.extractor, memory_gib=memory_gib)
    return replace(updated, distance=bank.distance)


def update_coreset(
    before: MemoryBank,
    coreset: Coreset,
    after: MemoryBank,
    ratio: float,
    seed: int,
    description: str | None = None,
    memory_gib: float = MEMORY_GIB,
    device: str = "cpu",
) -> Coreset:
    """Bring a coreset in line with what its bank became.

    Greedy k-centre leaves a coreset with the least distance r between two of its rows, and no row of the bank is
    farther than r from the coreset. Both stay true: selected rows that are left stay, in their order, and those rows of
    the bank are selected, the farthest of a block first, that are farther than r from all selected ones. So the
    covering radius is still at most r, and, as any two rows are at least r apart, at most twice the best that a
    coreset of one row fewer can have (Gonzalez, 1985). The number of rows is what that takes, not a share of the bank.

    A coreset that was the whole bank remains it. Where nothing can be carried on (no selected row is left, or only one
    was selected, or a bank is larger than ``memory_gib``, whose coreset is no plain greedy's), it is selected anew.

    Args:
        before: The former bank.
        coreset: Its coreset.
        after: What :func:`update_bank` made of it.
        ratio: See :func:`reb_pipeline.memory_bank.coreset.select_coreset`; read where it is selected anew.
        seed: Of the selection, read where it is selected anew.
        description: Label of a progress bar; none is shown without it.
        memory_gib: Features that may be looked at together, in GiB.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If the coreset was selected from another bank.
    """
    features, n_rows = coreset.features(before), len(after.features)
    if len(coreset.rows) == len(before.features):
        return Coreset(np.arange(n_rows), n_rows)
    change = change_between(before, after)
    numbers = _inverse(change.kept, len(before.features))[coreset.rows]
    stays = numbers >= 0
    largest = max(before.features.nbytes, after.features.nbytes)
    if not stays.any() or len(stays) < 2 or largest > memory_gib * GIB:
        return select_coreset(after, ratio, seed, description, memory_gib, device)
    limit = _least_squared_distance(features, device)
    bank, n_kept = np.asarray(after.features), len(change.kept)  # maps are slow to index
    near = _rows_near(bank[:n_kept], features[~stays], limit, device)
    candidates = np.concatenate([near, np.arange(n_kept, n_rows)])
    fresh = _farther_than(limit, bank, candidates, numbers[stays], description, device)
    logger.info(
        "%d of %d coreset rows stay, %d are new: %d, %.2g of the bank; no patch is farther than %.4g from them.",
        stays.sum(),
        len(stays),
        len(fresh),
        stays.sum() + len(fresh),
        (stays.sum() + len(fresh)) / n_rows,
        np.sqrt(limit),
    )
    return Coreset(np.concatenate([numbers[stays], fresh]), n_rows)


def update_density(
    before: MemoryBank,
    coreset_before: Coreset,
    density: LocalDensity,
    after: MemoryBank,
    coreset: Coreset,
    max_neighbors: int,
    description: str | None = None,
    device: str = "cpu",
) -> LocalDensity:
    """Bring a local density in line with what its bank and coreset became.

    The distances are those of :func:`reb_pipeline.memory_bank.density.measure_local_density`, bit by bit on the CPU: a
    distance depends on its two rows alone. Of a row that was in the coreset before, those to its nearest added rows
    are merged in; a new search is made only for new rows and for those that may have lost a neighbour.

    Args:
        before: The former bank.
        coreset_before: Its coreset.
        density: The local density of that coreset.
        after: What :func:`update_bank` made of the bank.
        coreset: Its coreset.
        max_neighbors: K_max; where it is larger than before, all is measured anew.
        description: Label of a progress bar; none is shown without it.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If the density is that of another coreset, or the bank has no more than K_max rows.
    """
    density.check_coreset(fingerprint(coreset_before.features(before)))
    change = change_between(before, after)
    n_before, n_rows, n_kept = len(before.features), len(after.features), len(change.kept)
    if max_neighbors > density.max_neighbors or n_before - n_kept > LARGEST_SHARE * n_before:
        return measure_local_density(after, coreset, max_neighbors, description, device)
    features = coreset.features(after)
    stays = coreset.rows < n_kept
    place = np.full(len(coreset.rows), -1)
    place[stays] = _inverse(coreset_before.rows, n_before)[change.kept[coreset.rows[stays]]]
    nearest = density.squared_distances[place, :max_neighbors]
    anew = place < 0
    if n_kept < n_before:
        forgotten = before.features[change.forgotten]
        lost, _ = nearest_neighbors(features, forgotten, 1, device=device)
        anew |= lost[:, 0] <= nearest[:, -1]
    if n_kept < n_rows:
        k = min(max_neighbors, n_rows - n_kept)
        added, _ = nearest_neighbors(features, after.features[n_kept:], k, device=device)
        nearest = np.sort(np.concatenate([nearest, added], axis=1), axis=1)[:, :max_neighbors]
    rows = Coreset(coreset.rows[anew], n_rows)
    measured = measure_local_density(after, rows, max_neighbors, description, device)
    nearest[anew] = measured.squared_distances
    logger.info(
        "The neighbours of %d of %d coreset rows were searched anew.", anew.sum(), len(anew)
    )
    return LocalDensity(nearest, fingerprint(features))


def change_between(before: MemoryBank, after: MemoryBank) -> Change:
    """Find out what :func:`update_bank` did.

    Raises:
        ValueError: If the images that both banks have are not the first of ``after``, in the order of ``before``.
    """
    stays = np.isin(before.image_ids, after.image_ids)
    n_stay = int(stays.sum())
    if [before.image_ids[image] for image in np.flatnonzero(stays)] != after.image_ids[:n_stay]:
        msg = "The banks are not one and what became of it: their common images differ in order."
        raise ValueError(msg)
    row_stays = stays[before.image]
    return Change(np.flatnonzero(row_stays), np.flatnonzero(~row_stays))


def _grids(bank: MemoryBank) -> np.ndarray:
    """A view of the features, [images, h, w, channels]."""
    h, w = int(bank.y.max()) + 1, int(bank.x.max()) + 1
    return bank.features.reshape(len(bank.image_ids), h, w, -1)


def _in_space(
    bank: MemoryBank, patches: Iterable[tuple[str, np.ndarray]]
) -> Iterator[tuple[str, np.ndarray]]:
    """Patches in the space of the bank, of images that it does not know."""
    known = set(bank.image_ids)
    for image_id, grid in patches:
        if image_id in known:
            msg = (
                f"Image {image_id!r} is in the memory bank that is to gain it: forget it first, by an update of its "
                f"own, or give the new image another name."
            )
            raise InputError(msg)
        known.add(image_id)
        yield image_id, bank.space.apply(grid)


def _inverse(numbers: np.ndarray, n: int) -> np.ndarray:
    """The position of each of 0..n-1 among some numbers, -1 where it is not there, int64 [n]."""
    positions = np.full(n, -1)
    positions[numbers] = np.arange(len(numbers))
    return positions


def _least_squared_distance(features: np.ndarray, device: str) -> float:
    """Between any two of at least two rows."""
    squared, _ = nearest_other_rows(features, np.arange(len(features)), features, 1, device=device)
    return float(squared.min())


def _rows_near(rows: np.ndarray, centres: np.ndarray, limit: float, device: str) -> np.ndarray:
    """Numbers of the rows at most a squared distance away from any of some centres, int64."""
    if not len(centres):
        return np.empty(0, np.int64)
    squared, _ = nearest_neighbors(rows, centres, 1, device=device)
    return np.flatnonzero(squared[:, 0] <= limit)


def _farther_than(
    limit: float,
    bank: np.ndarray,
    candidates: np.ndarray,
    selected: np.ndarray,
    description: str | None,
    device: str,
) -> np.ndarray:
    """Select of some rows so many that none is farther than a squared distance from all selected ones.

    Args:
        limit: Squared Euclidean distance.
        bank: float32 [rows, channels].
        candidates: Row numbers, int64.
        selected: Row numbers that are selected already, int64, at least one.
        description: Label of a progress bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        The row numbers to select besides, int64.
    """
    index = NeighborIndex(bank[selected], len(candidates), device)
    fresh = np.empty(0, np.int64)
    for start in progress(range(0, len(candidates), ROWS_PER_BLOCK), description):
        rows = candidates[start : start + ROWS_PER_BLOCK]
        squared = index.search(bank[rows], 1)[0][:, 0]
        rows, squared = rows[squared > limit], squared[squared > limit]
        features = bank[rows]
        if len(rows) and len(fresh):
            to_fresh, _ = nearest_neighbors(features, bank[fresh], 1, device=device)
            squared = np.minimum(squared, to_fresh[:, 0])
        fresh = np.concatenate([fresh, rows[_farthest_first(features, squared, limit)]])
    return fresh


def _farthest_first(features: np.ndarray, squared: np.ndarray, limit: float) -> np.ndarray:
    """Positions in the order of greedy selection, until no row is farther than the limit, int64.

    Args:
        features: float32 [rows, channels].
        squared: Squared distance of each row to the nearest selected one, float32 [rows]; brought up to date.
        limit: Squared distance.
    """
    everyone, chosen = np.arange(len(features)), []
    while squared.max(initial=0) > limit:
        farthest = int(squared.argmax())
        chosen.append(farthest)
        to_it = squared_distances(features, features, everyone, np.full_like(everyone, farthest))
        np.minimum(squared, to_it, out=squared)
    return np.array(chosen, np.int64)
