"""Memory of this process: what a call adds at its peak, beyond what was there before."""

import ctypes
import gc
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PROC = Path("/proc/self")
MIB = 2**20
SAMPLE_SECONDS = 0.005


class Peak(NamedTuple):
    """MiB that a call added at its peak: resident pages of any kind, and those not backed by a file."""

    resident: float
    anonymous: float


def peak_of(call: Callable[[], Any]) -> Peak:
    """Run a call and tell what it added; meant for a fresh process, where little freed memory waits for reuse.

    The kernel's own high-water mark, reset first, misses nothing between two samples; it has none for anonymous
    pages, which are sampled. ``ru_maxrss`` would begin at the parent's peak and cannot be reset.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    (PROC / "clear_refs").write_text("5")
    before, anonymous_before = status("VmRSS"), status("RssAnon")
    highest = [anonymous_before]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            highest.append(max(highest.pop(), status("RssAnon")))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    call()
    done.set()
    sampler.join()
    return Peak(status("VmHWM") - before, highest[0] - anonymous_before)


def status(field: str) -> float:
    """A field of /proc/self/status in MiB."""
    for line in (PROC / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / 1024
    msg = f"/proc/self/status has no field {field}."
    raise LookupError(msg)


def limit_memory(share: float) -> None:
    """Let a call that grows without end fail before the machine does.

    Args:
        share: Of the machine's memory that this process may take.
    """
    total = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(total * share), hard))
