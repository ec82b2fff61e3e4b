"""One comparison: the same work done by this project and by a peer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Run = Callable[[], Any]


@dataclass(frozen=True)
class Settings:
    """Inputs of every case.

    Attributes:
        work: Folder for what is computed once and used by several cases.
        weights: State dict of a ResNet-18; EfficientNet-Lite0, whose weights are packaged, without it.
        quick: Sizes so small that everything runs within seconds and says nothing about speed.
        device: ``"cpu"`` or the name of a CUDA device; of both sides, but for FAISS and metrics.
    """

    work: Path
    weights: str | None
    quick: bool
    device: str = "cpu"

    def of(self, full: int, quick: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full

    @property
    def image_size(self) -> int:
        """Side of the network's input in pixels."""
        return self.of(256, 64)


class Timed(NamedTuple):
    """Result of a call that measures its own time, because it extrapolates or prepares something."""

    seconds: float
    value: Any
    note: str = ""


@dataclass(frozen=True)
class Case:
    """The same work, twice.

    Attributes:
        work: What is done, for the table.
        ours: Prepares what does it.
        peer: Prepares what does it with the peer; imports the peer, too, which takes long and much memory.
        compare: From both results to a remark, such as how far they differ.
        target: The ratio aimed at.
        flop: Floating point operations of the plain algorithm.
        moved: Bytes that the plain algorithm must read and write.
        warm_up: Whether a first run of each goes uncounted.
    """

    work: str
    ours: Callable[[], Run]
    peer: Callable[[], Run]
    compare: Callable[[Any, Any], str]
    target: float
    flop: float = 0
    moved: float = 0
    warm_up: bool = True


def timed(call: Run) -> Timed:
    """Run a call once."""
    start = time.perf_counter()
    value = call()
    seconds = time.perf_counter() - start
    return value if isinstance(value, Timed) else Timed(seconds, value)


def interleaved(case: Case, repeats: int) -> dict[str, Any]:
    """Run both in turn, so that what else the machine does falls on both.

    Returns:
        Seconds of each run of ``ours`` and ``peer``, and the ``remark`` on the last results.
    """
    run_ours, run_peer = case.ours(), case.peer()
    if case.warm_up:
        run_ours()
        run_peer()
    runs = [(timed(run_ours), timed(run_peer)) for _ in range(repeats)]
    ours, peer = runs[-1]
    notes = [case.compare(ours.value, peer.value), ours.note, peer.note]
    return {
        "ours": [run.seconds for run, _ in runs],
        "peer": [run.seconds for _, run in runs],
        "remark": "; ".join(note for note in notes if note),
    }
