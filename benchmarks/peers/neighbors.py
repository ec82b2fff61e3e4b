"""Coreset, search and local density: the work on a bank of features."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers.case import Case, Run, Settings, Timed
from benchmarks.peers.data import as_bank, bank, manifold, patches
from reb_pipeline.memory_bank.bank import Coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.search.index import NeighborIndex
from reb_pipeline.search.k_center import greedy_k_center

LONGEST_SECONDS = 300  # a run that would take longer is extrapolated
PROBES = 20, 120  # centres selected to tell how long all would take
QUERIES = 784
DENSITY_NEIGHBORS = 9


def coreset(settings: Settings, n: int, channels: int, n_select: int) -> Case:
    """Greedy k-centre on synthetic features."""
    n, n_select = settings.of(n, 600), settings.of(n_select, 30)
    features = manifold(n, channels)

    def compare(ours: np.ndarray, _: object) -> str:
        plain = plain_greedy(features, n_select, int(ours[0]))
        same, in_place = len(np.intersect1d(ours, plain)), np.count_nonzero(ours == plain)
        return f"{same} of {n_select} centres are plain greedy's, {in_place} in its order"

    return Case(
        f"{n:,} x {channels}, {n_select:,} centres",
        ours=lambda: lambda: greedy_k_center(features, n_select, 0, device=settings.device),
        peer=lambda: anomalib_greedy(features, n_select, settings.device),
        compare=compare,
        target=20 if n == 100_000 else 8,
        flop=2.0 * n * channels * n_select,
        warm_up=False,
    )


def anomalib_greedy(features: np.ndarray, n_select: int, device: str) -> Run:
    """Its selection, or how long it would take where that is too long: every centre takes the same time."""
    import torch
    from anomalib.models.components import KCenterGreedy

    embedding = torch.from_numpy(features).to(device)

    def select(n: int) -> Timed:
        sampler = KCenterGreedy(embedding, (n + 0.5) / len(embedding))
        start = time.perf_counter()
        rows = sampler.select_coreset_idxs()
        return Timed(time.perf_counter() - start, rows)

    def run() -> Timed:
        few, more = PROBES
        if n_select <= more:
            return select(n_select)
        begun, probe = select(few).seconds, select(more).seconds
        seconds = probe + (probe - begun) / (more - few) * (n_select - more)
        note = f"anomalib extrapolated from {more} of its {n_select:,} centres"
        return Timed(seconds, None, note) if seconds > LONGEST_SECONDS else select(n_select)

    return run


def plain_greedy(features: np.ndarray, n_select: int, first: int) -> np.ndarray:
    """The definition: after each centre, update the distance of every row."""
    norms = np.einsum("ij,ij->i", features, features)
    nearest = np.full(len(features), np.inf, np.float32)
    rows = [first]
    while len(rows) < n_select:
        centre = rows[-1]
        np.minimum(nearest, norms + norms[centre] - 2 * (features @ features[centre]), out=nearest)
        nearest[rows[-1]] = -np.inf
        rows.append(int(nearest.argmax()))
    return np.array(rows)


def search(settings: Settings, k: int) -> Case:
    """Nearest neighbours of the patches of an unseen image, in a bank of real features."""
    rows, queries = bank_and_queries(settings)

    def compare(ours: tuple[np.ndarray, np.ndarray], peer: tuple[Any, Any]) -> str:
        truth = brute_force(queries, rows, k)
        theirs = recall(peer[1].numpy().reshape(-1, k), truth)
        return f"recall {recall(ours[1], truth):.4f}, anomalib's {theirs:.4f}"

    return Case(
        f"{len(queries)} queries, bank {len(rows):,} x {rows.shape[1]}, K = {k}",
        ours=lambda: partial(NeighborIndex(rows, device=settings.device).search, queries, k),
        peer=lambda: anomalib_search(queries, rows, k, settings.device),
        compare=compare,
        target=6,
        flop=2.0 * len(queries) * rows.size,
    )


def density(settings: Settings) -> Case:
    """Distance of every row of the bank to its nearest others."""
    rows, _ = bank_and_queries(settings)

    def flat_search() -> Run:
        import faiss

        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
        return lambda: index.search(rows, DENSITY_NEIGHBORS + 1)

    def measure() -> Run:
        whole, every_row = as_bank(rows), Coreset(np.arange(len(rows)), len(rows))
        return partial(
            measure_local_density, whole, every_row, DENSITY_NEIGHBORS, device=settings.device
        )

    def compare(ours: LocalDensity, peer: tuple[np.ndarray, np.ndarray]) -> str:
        theirs = np.sqrt(np.maximum(peer[0][:, 1:], 0))
        difference = np.abs(np.sqrt(ours.squared_distances) - theirs).max()
        return f"beside FAISS IndexFlatL2; largest difference of a distance {difference:.1e}"

    return Case(
        f"self-search of {len(rows):,} x {rows.shape[1]}, K = {DENSITY_NEIGHBORS}",
        ours=measure,
        peer=flat_search,
        compare=compare,
        target=4,
        flop=2.0 * len(rows) * rows.size,
    )


def bank_and_queries(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Up to 20,000 rows, and patches of an image that gave none of them."""
    per_image = (settings.image_size // 8) ** 2
    queries = patches(settings, settings.of(201, 5))[-per_image:]
    chosen = np.random.default_rng(0).permutation(per_image)[:QUERIES]
    return bank(settings)[:20_000], np.ascontiguousarray(queries[chosen])


def anomalib_search(queries: np.ndarray, rows: np.ndarray, k: int, device: str) -> Run:
    """The search of a PatchCore with this memory bank; its network is not used."""
    import torch
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(backbone="resnet18", layers=("layer2", "layer3"), pre_trained=False)
    model.memory_bank = torch.from_numpy(rows).to(device)
    query_tensor = torch.from_numpy(queries).to(device)
    return lambda: tuple(found.cpu() for found in model.nearest_neighbors(query_tensor, k))


def brute_force(queries: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k nearest, in float64."""
    exact = rows.astype(np.float64)
    norms = (exact**2).sum(axis=1)
    nearest = [np.argpartition(norms - 2 * (exact @ query), k - 1)[:k] for query in queries]
    return np.array(nearest)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true neighbours that were found."""
    return float(
        np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth, strict=True)])
    )


CASES: dict[str, dict[str, Callable[[Settings], Case]]] = {
    "coreset": {
        "20000": partial(coreset, n=20_000, channels=384, n_select=2_000),
        "100000": partial(coreset, n=100_000, channels=512, n_select=1_000),
    },
    "search": {"1": partial(search, k=1), "9": partial(search, k=9)},
    "density": {"bank": density},
}
