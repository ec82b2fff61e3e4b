"""Four categories one after another and on a Dask cluster of this machine: how long, and what a lost worker costs.

    python benchmarks/dask_categories.py [--repeats 3] [--workers 2] [--good 60] [--params name=value,...]
    python benchmarks/dask_categories.py --kill

The categories are cells of ELPV, two folders of each kind. Whole commands are timed, start of Python and of the cluster
included; the ways take turns. In sequence all cores of the machine are at work too, so a third way has one core, as
each of the workers has. With ``--kill`` a worker is killed in the middle of a run, and the results are compared
with those of a run in sequence. Everything lies in a temporary folder.
"""

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import yaml

from reb_pipeline.datasets import ELPVDataset
from reb_pipeline.project.runners.dask_cluster import THREAD_VARIABLES

ROOT = Path(__file__).parents[1]
DASK = ["--runner", "reb_pipeline.project.runners.DaskRunner", "--runner-params"]
# In the middle of a run: the first category has its bank, the others are at work.
MIDDLE = "06_models/*/memory_bank.npz/*/memory_bank.npz"


def make_images(folder: Path, good: int) -> list[str]:
    """Copy cells to ``<category>/good`` and, half as many, ``<category>/defective``; returns the categories."""
    for kind in ("mono", "poly"):
        cells = ELPVDataset(category=kind)
        table = cells.load().table
        for label, name, count in ((0, "good", good), (1, "defective", good // 2)):
            paths = table.loc[table["label"] == label, "path"].head(2 * count)
            for index, path in enumerate(paths):
                target = folder / f"{kind}_{'ab'[index % 2]}" / name
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(cells._absolute(path), target)
    return sorted(path.name for path in folder.iterdir())


def make_configuration(folder: Path, images: Path, categories: list[str]) -> None:
    """The environment ``folder`` with these categories."""
    shutil.copytree(ROOT / "conf", folder)
    text = yaml.safe_dump({"data_root": str(images), "categories": categories})
    (folder / "folder/globals.yml").write_text(text)


class Bench:
    """Runs the project below a temporary folder."""

    def __init__(self, folder: Path, good: int, params: str) -> None:
        self.folder, self.params = folder, params
        make_configuration(folder / "conf", folder / "images", make_images(folder / "images", good))

    def start(self, name: str, options: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start a run whose outputs go to the folder ``name``, its log beside it."""
        params = f"output_root={self.folder / name}" + (f",{self.params}" if self.params else "")
        command = [sys.executable, "-m", "kedro", "run", "--conf-source", str(self.folder / "conf")]
        command += ["--env", "folder", "--params", params, *options]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )

    def finish(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for a run; say why if it failed."""
        if process.wait():
            sys.exit((self.folder / f"{name}.log").read_text()[-3000:])

    def seconds(self, name: str, options: list[str], n_cores: int | None = None) -> float:
        """Time a run into an empty folder, on all cores or on some."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        start = time.perf_counter()
        process = self.start(name, options)
        if n_cores:
            psutil.Process(process.pid).cpu_affinity(list(range(n_cores)))
        self.finish(name, process)
        return time.perf_counter() - start

    def outputs(self, name: str) -> dict[str, Any]:
        """Contents of every versioned file but the manifest."""
        root = self.folder / name
        return {
            file.parents[1].relative_to(root).as_posix(): contents(file)
            for file in root.rglob("*.*/*Z/*")
            if file.name != "run_manifest.json"
        }


def contents(file: Path) -> Any:
    """Content of a file; of a zip archive without the times at which it was written."""
    data = file.read_bytes()
    if file.suffix != ".npz":
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def measure(bench: Bench, dask: list[str], repeats: int) -> str:
    """Medians of all ways as a Markdown table."""
    one_core = "in sequence, one core"
    ways: dict[str, tuple[list[str], int | None]] = {
        one_core: ([], 1), "in sequence, all cores": ([], None), "DaskRunner": (dask, None)
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (options, n_cores) in ways.items():
            seconds[name].append(bench.seconds("run", options, n_cores))
    base = statistics.median(seconds[one_core])
    lines = ["| way | seconds, median | range | times as fast |", "|---|---|---|---|"]
    for name, values in seconds.items():
        median = statistics.median(values)
        spread = f"{min(values):.1f}–{max(values):.1f}"
        lines.append(f"| {name} | {median:.1f} | {spread} | {base / median:.2f} |")
    return "\n".join(lines)


def kill_a_worker(bench: Bench, dask: list[str], workers: int) -> str:
    """Run both ways, kill the busiest worker in the middle, and compare every output."""
    # Other numbers of threads add up in another order.
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    alone = bench.start("sequential", [], **dict.fromkeys(THREAD_VARIABLES, threads))
    bench.finish("sequential", alone)
    process = bench.start("killed", dask)
    while process.poll() is None and not any((bench.folder / "killed").glob(MIDDLE)):
        time.sleep(0.05)
    children = psutil.Process(process.pid).children()
    processes = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    victim = max(processes, key=lambda child: sum(child.cpu_times()[:2]))
    victim.kill()
    bench.finish("killed", process)
    expected, found = bench.outputs("sequential"), bench.outputs("killed")
    different = sorted(name for name in expected if expected[name] != found.get(name))
    nodes = (bench.folder / "killed.log").read_text().count("Running node: ")
    finished = (bench.folder / "killed.log").read_text().count("Completed ")
    if different:
        sys.exit(f"Different or missing: {different}")
    return f"Killed one of {workers} workers: {finished} nodes in {nodes} tries, all {len(expected)} outputs are equal."


def main() -> None:
    """Print the table, or what the kill cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--good", type=int, default=60, help="good cells of each category")
    parser.add_argument("--params", default="ssl_finetune.budget=demo")
    parser.add_argument("--kill", action="store_true")
    arguments = parser.parse_args()
    dask = [*DASK, f"n_workers={arguments.workers}"]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.good, arguments.params)
        if arguments.kill:
            text = kill_a_worker(bench, dask, arguments.workers)
        else:
            text = measure(bench, dask, arguments.repeats)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
