"""This project beside anomalib 2.7.0, phase by phase: ``python -m benchmarks.peers`` from the project's folder.

Same machine, same run, same images, weights and bank; each repetition runs ours and then the peer's, so that what
else the machine does falls on both. Every case has a process of its own; its peak memory is measured in two more.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.report import Row, figure, table
from benchmarks.peers.worker import PHASES, names_of

logger = logging.getLogger("benchmarks.peers")


def ask(job: dict[str, Any]) -> dict[str, Any] | None:
    """Answer of a worker; None if it died."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.worker", json.dumps(job)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        logger.error("The worker ended with code %d.", process.returncode)
        return None
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


def measure(
    phases: list[str], settings: dict[str, Any], repeats: int, left_out: list[str]
) -> Iterator[Row]:
    """Measure all cases of some phases; what cannot be is told in ``left_out``."""
    for phase, name in [(key, name) for key in phases for name in names_of(key)]:
        job = {"settings": settings, "phase": phase, "case": name, "repeats": repeats}
        logger.info("%s %s: preparing, then %d times ours and the peer's", phase, name, repeats)
        time = ask({**job, "measure": "time"})
        if time is None or "missing" in time:
            why = time["missing"] if time else "it failed, see the log"
            left_out.append(f"{phase} {name} was not measured: {why}")
            logger.warning(left_out[-1])
            continue
        logger.info("%s %s: peak memory", phase, name)
        peaks = [ask({**job, "measure": side}) for side in ("ours", "peer")]
        ours, peer = (peak["resident"] if peak else None for peak in peaks)
        yield Row(phase, time, (ours, peer))


def main() -> None:
    """Measure, print the table, draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--phase", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--weights", help="state dict of a ResNet-18; EfficientNet-Lite0 without")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one repetition")
    parser.add_argument("--out", type=Path, help="file for the table, Markdown")
    parser.add_argument("--figure", type=Path, help="file for the bars, PNG")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as work:
        settings = {"work": work, "weights": arguments.weights, "quick": arguments.quick}
        logger.info("limits of the machine")
        limits = ask({"measure": "limits"})
        if limits is None:
            sys.exit("The limits of the machine could not be measured: see the log.")
        left_out: list[str] = []
        rows = []
        for row in measure(
            arguments.phase, settings, 1 if arguments.quick else arguments.repeats, left_out
        ):
            rows.append(row)
            logger.info("%s", row.markdown(limits))
    result = table(rows, left_out, limits)
    sys.stdout.write(f"{result}\n")
    if arguments.out:
        arguments.out.write_text(f"{result}\n")
    if arguments.figure:
        figure(rows, arguments.figure)


if __name__ == "__main__":
    main()
