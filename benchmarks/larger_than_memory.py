"""A memory bank larger than its budget, from patches to coreset: ``python benchmarks/larger_than_memory.py``.

Needs Linux, and twice the bank's size in the folder for temporary files (``TMPDIR``).
"""
# ruff: noqa: T201

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from reb_pipeline.datasets.arrays import ArraysDataset
from reb_pipeline.memory_bank.bank import GIB, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.settings import MemoryBankSettings

GRID = 28
CHANNELS = 384
CLUSTERS = 60
INTRINSIC = 16  # dimensions of the manifold that the features lie near
SECONDS_PER_SAMPLE = 0.005


def main() -> None:
    """Print the head and the row of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=4, help="size of the bank's features")
    parser.add_argument("--budget", type=float, default=1, help="compute.memory_gib")
    parser.add_argument("--ratio", type=float, default=0.001, help="memory_bank.coreset_ratio")
    args = parser.parse_args()
    n_images = round(args.gib * GIB / (GRID**2 * CHANNELS * 4))
    seconds = {}
    with tempfile.TemporaryDirectory() as folder, peak_anonymous_memory() as peak:
        stored = ArraysDataset(
            filepath=str(Path(folder) / "bank.npz"),
            record="reb_pipeline.memory_bank.bank.MemoryBank",
        )
        with timed(seconds, "collect, s"):
            bank = collect_patches(patches(n_images), n_images, {}, memory_gib=args.budget)
        with timed(seconds, "save, s"):
            stored.save(bank)
        with timed(seconds, "load, s"):
            bank = stored.load()
        with timed(seconds, "coreset, s"):
            coreset = select_coreset(
                bank, MemoryBankSettings(coreset_ratio=args.ratio, seed=0), "coreset", args.budget
            )
    row = {
        "bank, GiB": f"{bank.features.nbytes / GIB:.2f}",
        "budget, GiB": f"{args.budget:g}",
        "rows": f"{len(bank.features):,}",
        "coreset rows": f"{len(coreset.rows):,}",
        **{name: f"{value:.2f}" for name, value in seconds.items()},
        "peak anonymous memory, GiB": f"{peak[0] / GIB:.2f}",
    }
    for cells in (row, ["---"] * len(row), row.values()):
        print(f"| {' | '.join(cells)} |")


def patches(n_images: int) -> Iterator[tuple[str, np.ndarray]]:
    """Features of clusters on a manifold, with noise, cut off at zero."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (CLUSTERS, INTRINSIC)).astype(np.float32)
    basis = rng.normal(0, 0.25, (INTRINSIC, CHANNELS)).astype(np.float32)
    for index in range(n_images):
        latent = centres[rng.integers(CLUSTERS, size=GRID**2)]
        latent += rng.standard_normal(latent.shape, np.float32)
        noise = rng.standard_normal((GRID**2, CHANNELS), np.float32)
        features = np.maximum(latent @ basis + 0.3 * noise, 0)
        yield str(index), features.reshape(GRID, GRID, CHANNELS)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the time that the block took."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


@contextmanager
def peak_anonymous_memory() -> Iterator[list[int]]:
    """Sample RssAnon, which leaves out pages of mapped files that the system may drop; bytes over the start."""
    start = anonymous_memory()
    peak, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(SECONDS_PER_SAMPLE):
            peak[0] = max(peak[0], anonymous_memory() - start)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def anonymous_memory() -> int:
    """RssAnon of this process, bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
