"""Measures one case in a process of its own: ``python -m benchmarks.peers.worker JOB``, answered in JSON.

So that no case sees the memory, the threads or the caches of another.
"""

import json
import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.memory import limit_memory, peak_of
from benchmarks.peers.case import Settings, interleaved
from benchmarks.peers.limits import measure_limits
from reb_pipeline.core.errors import InputError

MEMORY_SHARE = 0.8
PHASES = {  # module of each phase's cases
    "coreset": "neighbors",
    "search": "neighbors",
    "density": "neighbors",
    "features": "images",
    "inspection": "images",
    "fit": "images",
    "pixels": "pixels",
}


def names_of(phase: str) -> list[str]:
    """Names of the cases of a phase."""
    return list(import_module(f"benchmarks.peers.{PHASES[phase]}").CASES[phase])


def do(job: dict[str, Any]) -> dict[str, Any]:
    """Measure what the job names.

    Args:
        job: ``settings``, ``phase`` and ``case`` (see :func:`names_of`), ``repeats``, and ``measure``: ``"time"``, or
            ``"ours"`` or ``"peer"`` for the peak memory of one of them, or ``"limits"`` of the machine.

    Returns:
        For ``time`` what :func:`interleaved` gives, with the case's work, target, flop and moved; for a peak its
        ``resident`` MiB; ``missing``, the reason, where it cannot be measured here.
    """
    if job["measure"] == "limits":
        return measure_limits()
    settings = Settings(**{**job["settings"], "work": Path(job["settings"]["work"])})
    limit_memory(MEMORY_SHARE)
    try:
        module = import_module(f"benchmarks.peers.{PHASES[job['phase']]}")
        case = module.CASES[job["phase"]][job["case"]](settings)
        if job["measure"] == "time":
            about = {name: getattr(case, name) for name in ("work", "target", "flop", "moved")}
            return {**interleaved(case, job["repeats"]), **about}
        run = getattr(case, job["measure"])()
        if case.warm_up:  # libraries take memory once
            run()
        return peak_of(run)._asdict()
    except ImportError as error:
        return {"missing": f"{error.name} is not installed"}
    except InputError as error:
        return {"missing": str(error)}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    answer = json.dumps(do(json.loads(sys.argv[1])))
    sys.stdout.write(f"\n{answer}\n")
