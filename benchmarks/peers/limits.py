"""Highest speed of the machine."""

import time
from collections.abc import Callable
from typing import Any

SIDE = 2048  # of the matrices, as large as a block of patches against a bank
BYTES = 2**28


def measure_limits() -> dict[str, float]:
    """Best of some runs on all threads.

    Returns:
        ``flops``, float32 operations a second of a matrix product, ``bandwidth``, bytes read and written a second by a
        copy, and ``threads``.
    """
    import numpy as np
    import torch

    a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    out = torch.empty(SIDE, SIDE)
    source = np.ones(BYTES // 8)
    target = np.empty_like(source)
    return {
        "flops": 2 * SIDE**3 / fastest(lambda: torch.mm(a, b, out=out)),
        "bandwidth": 2 * BYTES / fastest(lambda: np.copyto(target, source)),
        "threads": torch.get_num_threads(),
    }


def fastest(call: Callable[[], Any], repeats: int = 10) -> float:
    """Seconds of the quickest run."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
