"""Update of a memory bank by added and removed good images, with its coreset and local density."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType

import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.progress import progress
from reb_pipeline.images.copies import Copy
from reb_pipeline.memory_bank.allocation import GIB
from reb_pipeline.memory_bank.bank import (
    MEMORY_GIB,
    Coreset,
    MemoryBank,
    collect_patches,
    fingerprint,
)
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.search.flat import squared_distances
from reb_pipeline.search.index import NeighborIndex, nearest_neighbors, nearest_other_rows

ROWS_PER_BLOCK = 8192
# Of the bank's rows: if more are removed, most rows lose one of 15 neighbours, and all are measured again.
LARGEST_SHARE = 1 / 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """Map of old rows to the updated bank: kept rows first, in the same order, then the new ones.

    Attributes:
        kept: Numbers of the kept rows in the former bank, ascending, int64; in the updated bank they are 0, 1, 2, ….
        forgotten: Numbers of the removed rows in the former bank, ascending, int64.
    """

    kept: np.ndarray
    forgotten: np.ndarray


def update_bank(
    bank: MemoryBank,
    forget: Collection[str] = (),
    patches: Iterable[tuple[str, np.ndarray]] = (),
    n_added: int = 0,
    memory_gib: float = MEMORY_GIB,
    copies: Mapping[Copy, Iterable[tuple[str, np.ndarray]]] = MappingProxyType({}),
) -> MemoryBank:
    """Remove some images from a bank and append others.

    The result is equal, bit by bit, to a bank that :func:`reb_pipeline.memory_bank.bank.collect_patches` makes of the
    kept images, in their order, followed by the added images.

    Args:
        bank: The memory bank.
        forget: Ids of images to remove.
        patches: (image id, float32 [h, w, channels]) of each image to append, from the bank's extractor.
        n_added: Number of images to append.
        memory_gib: See :func:`reb_pipeline.memory_bank.bank.collect_patches`.
        copies: As ``patches``, for each of the bank's copies; empty if no image is appended.

    Raises:
        InputError: If the bank's distance was fitted to all of its images; an id to remove is unknown; an id to append
            is already known; or no image is left.

    Example:
        >>> grid = np.zeros((2, 2, 3), np.float32)
        >>> bank = collect_patches([("a", grid), ("b", grid)], n_images=2, extractor={})
        >>> update_bank(bank, forget=["a"], patches=[("c", grid)], n_added=1).image_ids
        ['b', 'c']
    """
    if bank.whitening.size:
        msg = (
            f"The memory bank's distance is {bank.distance}, which is fitted to all good images together, so none can "
            f"be added or forgotten: run the pipeline memory_bank again, or set memory_bank.distance to euclidean."
        )
        raise InputError(msg)
    check_known(forget, bank.image_ids, "Image of the memory bank")
    gone = set(forget)
    stay = [image for image, image_id in enumerate(bank.image_ids) if image_id not in gone]
    copies = {copy: copies.get(copy, ()) for copy in bank.copies}

    def stream(
        number: int, added: Iterable[tuple[str, np.ndarray]]
    ) -> Iterator[tuple[str, np.ndarray]]:
        kept = ((bank.image_ids[image], bank.whole_grid(image, number)) for image in stay)
        return chain(kept, _in_space(bank, added))

    updated = collect_patches(
        stream(0, patches),
        len(stay) + n_added,
        bank.extractor,
        memory_gib=memory_gib,
        copies={
            copy: stream(number, added) for number, (copy, added) in enumerate(copies.items(), 1)
        },
    )
    return replace(updated, distance=bank.distance)


def update_coreset(
    before: MemoryBank,
    coreset: Coreset,
    after: MemoryBank,
    settings: MemoryBankSettings,
    description: str | None = None,
    memory_gib: float = MEMORY_GIB,
    device: str = "cpu",
) -> Coreset:
    """Update a coreset after an update of its bank.

    Let r be the least distance between two rows of a coreset by greedy k-centre. Then no bank row is farther than r
    from the coreset. The update keeps both properties: coreset rows that remain in the bank stay, in their order.
    Then bank rows farther than r from all selected rows are added, the farthest of a block first.

    So the covering radius is still at most r. Because any two coreset rows are at least r apart, it is at most twice
    the best radius of a coreset with one row fewer (Gonzalez, 1985). The number of rows follows from r, and is not a
    fixed share of the bank.

    A coreset that was the whole bank stays the whole bank. The coreset is selected again from the start in three cases:
    no selected row remains; only one row was selected; or a bank is larger than ``memory_gib``, so that its coreset is
    not one of plain greedy k-centre.

    Args:
        before: The former bank.
        coreset: The former coreset.
        after: The updated bank, see :func:`update_bank`.
        settings: See :func:`reb_pipeline.memory_bank.coreset.select_coreset`; used only for a selection from the start.
        description: Label of the progress bar; None shows no bar.
        memory_gib: Size of the features that may be processed together, in GiB.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If the coreset was selected from another bank.
    """
    features, n_rows = coreset.features(before), len(after.features)
    if len(coreset.rows) == len(before.features):
        return Coreset.selected(after, np.arange(n_rows))
    change = change_between(before, after)
    numbers = _inverse(change.kept, len(before.features))[coreset.rows]
    stays = numbers >= 0
    largest = max(before.features.nbytes, after.features.nbytes)
    if not stays.any() or len(stays) < 2 or largest > memory_gib * GIB:
        return select_coreset(after, settings, description, memory_gib, device)
    limit = _least_squared_distance(features, device)
    bank, n_kept = np.asarray(after.features), len(change.kept)  # memory maps are slow to index
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
    return Coreset.selected(after, np.concatenate([numbers[stays], fresh]))


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
    """Update a local density after an update of its bank and coreset.

    On the CPU the distances are equal, bit by bit, to those of
    :func:`reb_pipeline.memory_bank.density.measure_local_density`, because a distance depends on its two rows alone.
    For rows that were in the coreset before, distances to the nearest added rows are merged in. A new search is made
    only for new rows and for rows that may have lost a neighbour.

    Args:
        before: The former bank.
        coreset_before: The former coreset.
        density: The local density of the former coreset.
        after: The updated bank, see :func:`update_bank`.
        coreset: The updated coreset.
        max_neighbors: K_max; if it is larger than before, all rows are measured again.
        description: Label of the progress bar; None shows no bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Raises:
        InputError: If the density belongs to another coreset, or the bank has no more than K_max rows.
    """
    density.check_coreset(fingerprint(coreset_before.features(before)))
    density.check_bank(coreset_before.bank_fingerprint)
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
    return LocalDensity(nearest, fingerprint(features), coreset.bank_fingerprint)


def change_between(before: MemoryBank, after: MemoryBank) -> Change:
    """Compare two banks to find the rows that :func:`update_bank` kept and removed.

    Raises:
        ValueError: If the images common to both banks are not the first of ``after``, in the order of ``before``.
    """
    stays = np.isin(before.image_ids, after.image_ids)
    n_stay = int(stays.sum())
    if [before.image_ids[image] for image in np.flatnonzero(stays)] != after.image_ids[:n_stay]:
        msg = "The banks are not one and what became of it: their common images differ in order."
        raise ValueError(msg)
    row_stays = stays[before.image]
    return Change(np.flatnonzero(row_stays), np.flatnonzero(~row_stays))


def _in_space(
    bank: MemoryBank, patches: Iterable[tuple[str, np.ndarray]]
) -> Iterator[tuple[str, np.ndarray]]:
    """Transform patches to the space of the bank; raise an InputError for an image that is already in the bank."""
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
    """Find the position of each of 0..n-1 in ``numbers``, int64 [n]; -1 for an absent one."""
    positions = np.full(n, -1)
    positions[numbers] = np.arange(len(numbers))
    return positions


def _least_squared_distance(features: np.ndarray, device: str) -> float:
    """Find the least squared distance between two rows; there must be at least two."""
    squared, _ = nearest_other_rows(features, np.arange(len(features)), features, 1, device=device)
    return float(squared.min())


def _rows_near(rows: np.ndarray, centres: np.ndarray, limit: float, device: str) -> np.ndarray:
    """Find the rows whose squared distance to any centre is at most ``limit``; row numbers, int64."""
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
    """Select candidates until none is farther than ``limit`` from all selected rows.

    Args:
        limit: Squared Euclidean distance.
        bank: float32 [rows, channels].
        candidates: Numbers of the rows to select from, int64.
        selected: Numbers of the rows selected before, int64, at least one.
        description: Label of the progress bar; None shows no bar.
        device: See :class:`reb_pipeline.search.index.NeighborIndex`.

    Returns:
        Numbers of the newly selected rows, int64.
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
    """Select rows greedily until none is farther than the limit from all selected rows.

    Args:
        features: float32 [rows, channels].
        squared: Squared distance of each row to the nearest selected one, float32 [rows]; updated in place.
        limit: Squared distance.

    Returns:
        Positions in the order of selection, int64.
    """
    everyone, chosen = np.arange(len(features)), []
    while squared.max(initial=0) > limit:
        farthest = int(squared.argmax())
        chosen.append(farthest)
        to_it = squared_distances(features, features, everyone, np.full_like(everyone, farthest))
        np.minimum(squared, to_it, out=squared)
    return np.array(chosen, np.int64)
