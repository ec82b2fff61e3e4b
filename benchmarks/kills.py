"""Runs killed at each move of a file to its name: ``python -m benchmarks.kills --out FOLDER``.

A pipeline on a few drawn parts is killed by SIGKILL just before, or just after, a file gets its name, once for every
move of the pipeline. Then the same command runs again. Counted are reruns that fail, results that differ from those of
a run that nobody disturbed, and what is left: unfinished files, folders of versions that are empty or hold an
unfinished packaged model, and whatever is in the temporary folder. Each pipeline is also repeated without a kill, which
shows that the comparison holds; not so with ``--quick``.

The libraries are imported once; each run is a forked process. Linux only. Writes ``kills.md``.
"""

import argparse
import fcntl
import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).parents[1]
SIDE, CATEGORY = 64, "part"
GRID = {"representation": ["imagenet"], "detector": ["nearest", "ldknn"], "n_neighbors": [1, 3]}
STUDY = {"grids": [GRID], "max_neighbors": 9}
PARAMETERS: dict[str, Any] = {
    "compute": {"device": "cpu"},
    "features": {"image_size": SIDE},
    "defect_synthesis": {"per_kind": 1},
    "ssl_finetune": {
        "budget": "demo",
        "demo": {"updates": 2, "freeze_updates": 1, "image_size": SIDE, "images_per_pass": 2},
    },
    "calibration": {"false_alarm_rate": 0.2},
    "feature_reconstruction": {"updates": 2},
    "pixel_reconstruction": {"updates": 2, "image_size": 32},
    "studies": {"arms": STUDY, "neighbors": STUDY},
    "selection": {"grids": [GRID], "oracle_grids": [], "max_neighbors": 9},
}
PLAN = (
    "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "calibration",
    "evaluation", "packaging", "inspection", "drift", "feature_reconstruction", "hybrid",
    "pixel_reconstruction", "studies_arms", "studies_neighbors", "selection", "bank_update",
)  # fmt: skip
# Moves of `--quick`, from 1: of a checkpoint, while images are in the temporary folder; between scores and maps.
QUICK = {"ssl_finetune": (2,), "evaluation": (4,)}
BEFORE, AFTER = "before", "after"

_VERSION = re.compile(r"/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z/")
_TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(\+00:00|Z| UTC)?|\"\w*second\w*\": ?[\d.e-]+"
)
_TIMED = re.compile("time|second")  # columns of tables
# Of these only the names are compared: they hold times, or are no results.
_NAMES_ONLY = re.compile(r"study_cache/|journal|\.pt$|run_manifest|run\.lock")


class Kill(NamedTuple):
    """A kill at a move of a file, and what the next run made of it."""

    pipeline: str
    move: int
    moment: str
    file: str
    failed: str
    differing: list[str]
    left: list[str]


def draw_part(seed: int, *, scratched: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draw a part: image uint8 [SIDE, SIDE, 3], and the mask of its scratch, uint8 [SIDE, SIDE]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = SIDE / 2 + rng.uniform(-1, 1, 2)
    grey = np.where(np.hypot(rows - centre[0], columns - centre[1]) < 24, 150.0, 60.0)
    mask = scratched & (np.abs(rows - columns - rng.integers(-6, 6)) < 3) & (grey > 100)
    grey = np.where(mask, 20.0, grey) + rng.normal(0, 4, grey.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, 2), mask * np.uint8(255)


def write_parts(folder: Path) -> None:
    """Write good and scratched parts to learn from, parts to inspect, and parts to add."""
    kinds = {f"{CATEGORY}/good": (24, 0), "new": (3, 300), "more": (2, 400)}
    for name, (count, first) in kinds.items():
        for number in range(count):
            _save(folder / name / f"{number:03}.png", draw_part(first + number)[0])
    for number in range(3):
        image, mask = draw_part(200 + number, scratched=True)
        _save(folder / f"{CATEGORY}/scratch/{number:03}.png", image)
        _save(folder / f"{CATEGORY}/masks/scratch/{number:03}.png", mask)
        _save(folder / f"new/scratched_{number:03}.png", image)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


class Campaign:
    """Runs of pipelines one after the other, each from the state that those before it left.

    Args:
        folder: Empty folder for images, states and logs.
        moments: Before the move of a file, after it, or both.
    """

    def __init__(self, folder: Path, moments: tuple[str, ...] = (BEFORE, AFTER)) -> None:
        self.moments = moments
        self._folder, self._state = folder, folder / "state"
        self._images, self._temporary = folder / "images", folder / "tmp"
        self._log = folder / "log.txt"
        write_parts(self._images)
        self._temporary.mkdir()
        self._state.mkdir()
        os.environ["TMPDIR"] = str(self._temporary)

    def kills(self, pipeline: str, moves: tuple[int, ...] | None) -> Iterator[Kill]:
        """Run a pipeline undisturbed, then killed at some moves, or at all; leave the undisturbed state.

        Raises:
            RuntimeError: If it fails undisturbed.
        """
        before, after = self._folder / "before", self._folder / "after"
        for folder in (before, after):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._state, before)
        names = self.run_undisturbed(pipeline)
        shutil.copytree(self._state, after)
        wanted = newest(after)
        if moves is None:
            self._restore(before)
            self._run(pipeline)
            yield Kill(pipeline, 0, "", "", "", _differing(wanted, newest(self._state)), [])
        for move in moves or range(1, len(names) + 1):
            for moment in self.moments:
                self._restore(before)
                code, found = self._run(pipeline, (move, moment))
                if code != -signal.SIGKILL:
                    msg = f"{pipeline} has no move {move}: exit {code}, {self._log.read_text()[-2000:]}"
                    raise RuntimeError(msg)
                self._age()
                code, _ = self._run(pipeline)
                failed = self._log.read_text().strip().splitlines()[-1] if code else ""
                differing = _differing(wanted, newest(self._state))
                yield Kill(pipeline, move, moment, found[-1], failed, differing, self._left())
        self._restore(after)

    def run_undisturbed(self, pipeline: str) -> list[str]:
        """Run a pipeline, or several with commas between them; returns the names of the moved files.

        Raises:
            RuntimeError: If it fails.
        """
        code, names = self._run(pipeline)
        if code:
            msg = f"{pipeline} failed: {self._log.read_text()[-2000:]}"
            raise RuntimeError(msg)
        return names

    def _restore(self, state: Path) -> None:
        shutil.rmtree(self._state)
        shutil.copytree(state, self._state)
        for one in self._temporary.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()

    def _age(self) -> None:
        """Make temporary folders older than the time in which a new one is spared, once their users have ended.

        Workers of a killed run hold the lock of its folder, and end some seconds after it.
        """
        for one in self._temporary.iterdir():
            descriptor = os.open(one, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.close(descriptor)
            os.utime(one, (time.time() - 3600,) * 2)

    def _left(self) -> list[str]:
        state = [
            path.relative_to(self._state)
            for path in self._state.rglob("*")
            if path.name.endswith(".partial") or (path.is_dir() and _is_unfinished(path))
        ]
        return sorted(map(str, [*state, *(path.name for path in self._temporary.iterdir())]))

    def _run(self, pipeline: str, kill: tuple[int, str] | None = None) -> tuple[int, list[str]]:
        """Run a pipeline in a process of its own; returns its exit status and the names of the moved files."""
        process = multiprocessing.get_context("fork").Process(
            target=self._work, args=(pipeline, kill)
        )
        moves = self._folder / "moves.txt"
        moves.write_text("")
        process.start()
        process.join()
        return process.exitcode or 0, moves.read_text().splitlines()

    def _work(self, pipeline: str, kill: tuple[int, str] | None) -> None:
        from kedro.framework.project import settings

        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        self._watch_moves(kill)
        params = {
            "data_root": str(self._images),
            "output_root": str(self._state),
            **PARAMETERS,
            "inspection": {"input": str(self._images / "new")},
            "bank_update": {"add": str(self._images / "more")},
        }
        with settings.SESSION_CLASS.create(ROOT, env="folder", runtime_params=params) as session:
            session.run(pipeline_names=pipeline.split(","))

    def _watch_moves(self, kill: tuple[int, str] | None) -> None:
        """Write down each move of a file of this process, and end the process at one of them."""
        count = 0
        log = (self._folder / "moves.txt").open("a")
        me = os.getpid()

        def watched(move: Any) -> Any:
            def moved(source: Any, target: Any, **options: Any) -> None:
                nonlocal count
                if os.getpid() != me:
                    return move(source, target, **options)
                count += 1
                log.write(f"{Path(target).name}\n")
                log.flush()
                if kill == (count, BEFORE):
                    os.kill(me, signal.SIGKILL)
                move(source, target, **options)
                if kill == (count, AFTER):
                    os.kill(me, signal.SIGKILL)
                return None

            return moved

        os.rename, os.replace = watched(os.rename), watched(os.replace)


def _is_unfinished(folder: Path) -> bool:
    """Return True for an empty folder, and for a packaged model without its manifest."""
    names = {path.name for path in folder.iterdir()}
    return not names or ("network.onnx" in names and "model.json" not in names)


def newest(folder: Path) -> dict[str, str]:
    """Digest the newest version of every file, by its path without the version."""
    found: dict[str, tuple[str, Path]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        version = _VERSION.search(name)
        if path.is_file() and not name.endswith(".partial"):
            key = _VERSION.sub("/", name)
            found[key] = max(found.get(key, ("", path)), (version.group() if version else "", path))
    return {key: _digest(path) for key, (_, path) in found.items()}


def _digest(path: Path) -> str:
    """Hash what a file says, without times."""
    if _NAMES_ONLY.search(str(path)):
        return ""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        timed = [name for name in table if _TIMED.search(name)]
        return hashlib.sha256(table.drop(columns=timed).to_json().encode()).hexdigest()
    data = path.read_bytes()
    if path.suffix in (".json", ".html", ".yml"):
        data = _TIMES.sub(b"", data)
    return hashlib.sha256(data).hexdigest()


def _differing(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    return sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))


def table_of(kills: list[Kill]) -> str:
    """Write a table in Markdown, one row per pipeline, and a line for each fault."""
    rows = pd.DataFrame(kills)
    lines = ["| pipeline | moves | kills | reruns that fail | results that differ | files left |"]
    lines.append("|---|---|---|---|---|---|")
    landed = rows[rows["moment"] != ""]
    for name, group in landed.groupby("pipeline", sort=False):
        faults = [
            int((group[column].str.len() > 0).sum()) for column in ("failed", "differing", "left")
        ]
        cells = [name, group["move"].nunique(), len(group), *faults]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for kill in kills:
        where = f"move {kill.move}, {kill.moment} {kill.file}" if kill.moment else "not killed"
        for what in ("failed", "differing", "left"):
            if getattr(kill, what):
                lines.append(f"\n{kill.pipeline}, {where}: {what}: {getattr(kill, what)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Kill the runs, and write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and the runs")
    parser.add_argument(
        "--pipelines", help="names, separated by commas; those before run undisturbed"
    )
    parser.add_argument("--moments", nargs="+", choices=[BEFORE, AFTER], default=[BEFORE, AFTER])
    parser.add_argument("--quick", action="store_true", help="a few moves of a few pipelines")
    given = parser.parse_args()
    chosen = given.pipelines.split(",") if given.pipelines else list(QUICK if given.quick else PLAN)
    folder = given.out / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _prepare()
    campaign, kills = Campaign(folder.resolve(), tuple(given.moments)), []
    plan = PLAN[: max(map(PLAN.index, chosen)) + 1]
    for killed, pipelines in groupby(plan, chosen.__contains__):
        if not killed:
            campaign.run_undisturbed(",".join(pipelines))
            continue
        for pipeline in pipelines:
            for kill in campaign.kills(pipeline, QUICK.get(pipeline) if given.quick else None):
                kills.append(kill)
                sys.stderr.write(f"{kill}\n")
    table = table_of(kills)
    (given.out / "kills.md").write_text(table)
    sys.stdout.write(table)


def _prepare() -> None:
    """Import what the runs need, so that a forked process starts at once."""
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"  # threads do not survive a fork
    from importlib import import_module

    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    for name in ("torch", "timm", "faiss", "cv2", "plotly.io", "matplotlib.figure", "scipy.ndimage",
                 "sklearn.neighbors", "onnx", "onnxruntime", "onnxscript"):  # fmt: skip
        with suppress(ImportError):
            import_module(name)


if __name__ == "__main__":
    main()
