"""Nearest neighbours on a GPU: candidates in half precision, their distances in single precision."""

import numpy as np
import torch

from reb_pipeline.core.progress import progress
from reb_pipeline.search.flat import Found, nearest_of_all, squared_distances

SPARE = 24  # candidates beyond k; with these, few queries remain without proof
ROWS_PER_BLOCK = 65536
BOUNDS_AT_ONCE = 2**26  # 256 MiB
FLOATS_AT_ONCE = 2**24  # 64 MiB of candidates
# Rounding directions to 11 bits changes 2qb by less than 2⁻¹⁰ (|q|² + |b|²); 1e-4 covers rounding in float32.
SLACK = 2**-10 + 1e-4


class DeviceBank:
    """Bank on a device, stored as lengths and half-precision directions of its centred rows.

    Squared distances, |q|² + |b|² − 2qb, are lowered by the largest possible rounding error, which makes them lower
    bounds. If the k-th nearest candidate is not farther than the last candidate's bound, no other row is nearer. The
    few queries without this proof are searched by :func:`reb_pipeline.search.flat.nearest_of_all`.

    Args:
        bank: float32 [rows, channels], C-contiguous. Distances are computed on the device if a copy fits there
            besides the directions.
        device: Name of a torch device, e.g. ``"cuda"``.
    """

    def __init__(self, bank: np.ndarray, device: str) -> None:
        self._bank = bank
        self._device = torch.device(device)
        self._mean = torch.tensor(bank[:: -(-len(bank) // 4096)].mean(axis=0), device=self._device)
        self._directions = torch.empty(bank.shape, dtype=torch.float16, device=self._device)
        self._lengths = torch.empty(len(bank), device=self._device)
        for start in range(0, len(bank), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            self._directions[block], self._lengths[block] = self._polar(self._put(bank[block]))
        self._rows = self._put(bank) if self._fits(bank.nbytes) else None

    def search(self, queries: np.ndarray, k: int, description: str | None, without: slice) -> Found:
        """Find nearest rows, see :meth:`reb_pipeline.search.index.NeighborIndex.search`."""
        n_candidates = min(k + SPARE, len(self._bank) - (without.stop - without.start))
        size = max(1, BOUNDS_AT_ONCE // len(self._bank))
        starts = progress(range(0, len(queries), size), description)
        blocks = [
            self._search_block(self._put(queries[start : start + size]), k, n_candidates, without)
            for start in starts
        ]
        squared, rows, proven = (
            torch.cat(parts).cpu().numpy() for parts in zip(*blocks, strict=True)
        )
        if not proven.all():
            again = nearest_of_all(queries[~proven], self._bank, k, without=without)
            squared[~proven], rows[~proven] = again
        return squared, rows

    def _search_block(
        self, queries: torch.Tensor, k: int, n_candidates: int, without: slice
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find squared distances and rows [queries, k], and proofs, bool [queries]; all stay on the device."""
        bounds = self._lower_bounds(queries)
        bounds[:, without] = torch.inf
        lowest, candidates = bounds.topk(n_candidates, largest=False)
        squared, order = self._squared_distances(queries, candidates).topk(k, largest=False)
        proven = squared[:, -1] <= lowest[:, -1]
        if n_candidates + without.stop - without.start == len(self._bank):
            proven[:] = True
        return squared, candidates.gather(1, order), proven

    def _lower_bounds(self, queries: torch.Tensor) -> torch.Tensor:
        directions, lengths = self._polar(queries)
        bounds = _products(directions, self._directions)
        bounds.mul_(-2 * lengths[:, None]).mul_(self._lengths)
        bounds.add_((1 - SLACK) * self._lengths.square())
        return bounds.add_((1 - SLACK) * lengths.square()[:, None])

    def _polar(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Split features into half-precision directions and float32 lengths, so that long rows stay accurate."""
        centred = features - self._mean
        lengths = centred.norm(dim=1)
        directions = centred / lengths.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
        return directions.half(), lengths

    def _squared_distances(self, queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if self._rows is None:
            own = np.repeat(np.arange(len(rows)), rows.shape[1])
            given = queries.cpu().numpy(), self._bank, own, rows.cpu().numpy().ravel()
            return self._put(squared_distances(*given)).view(rows.shape)
        at_once = max(1, FLOATS_AT_ONCE // (rows.shape[1] * queries.shape[1]))
        pieces = zip(queries.split(at_once), rows.split(at_once), strict=True)
        return torch.cat(
            [(own[:, None] - self._rows[near]).square().sum(-1) for own, near in pieces]
        )

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, device=self._device)

    def _fits(self, n_bytes: int) -> bool:
        if self._device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self._device)
        return n_bytes + 8 * BOUNDS_AT_ONCE < free


def _products(queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Multiply half-precision directions and sum in single precision."""
    if queries.is_cuda:
        return torch.mm(queries, rows.T, out_dtype=torch.float32)
    return queries.float() @ rows.float().T
