"""Highest speed of the machine."""

import time
from collections.abc import Callable
from typing import Any

SIDE = 2048  # of the matrices, as large as a block of patches against a bank
BYTES = 2**28


def measure_limits(device: str = "cpu") -> dict[str, float]:
    """Best of some runs on all threads, or on a GPU.

    Args:
        device: ``"cpu"`` or the name of a CUDA device.

    Returns:
        ``flops``, float32 operations a second of a matrix product, ``bandwidth``, bytes read and written a second by a
        copy, and ``threads``.
    """
    import torch

    a, b, out = (torch.rand(SIDE, SIDE, device=device) for _ in range(3))
    source, target = (torch.ones(BYTES // 8, dtype=torch.float64, device=device) for _ in range(2))

    def finished(call: Callable[[], Any]) -> Callable[[], Any]:
        """Wait for the device, too: a GPU answers before it has computed."""
        return lambda: (call(), torch.cuda.synchronize() if a.is_cuda else None)

    return {
        "flops": 2 * SIDE**3 / fastest(finished(lambda: torch.mm(a, b, out=out))),
        "bandwidth": 2 * BYTES / fastest(finished(lambda: target.copy_(source))),
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
