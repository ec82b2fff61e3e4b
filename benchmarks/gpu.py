"""Everything that has to be seen on a GPU, in one command: ``python -m benchmarks.gpu`` from the project's folder.

The steps go from the most important to the least: tests marked ``gpu``, speed and share of the GPU's limits of each
phase, beside anomalib on the same GPU where it is installed, fine-tuning, and one category at the paper's setting. Each
has a process of its own and is stored as soon as it ends, so that a step that fails, or the end of the time, costs no
result. With ``--device cpu --quick`` the same steps are tried without a GPU.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.case import Case, Settings, interleaved, timed
from benchmarks.peers.data import cells
from benchmarks.peers.limits import measure_limits
from benchmarks.peers.worker import PHASES
from reb_pipeline.core.atomic import AtomicLocalFileSystem
from reb_pipeline.images.resize import resize_image

ROOT = Path(__file__).parents[1]
STEPS = (
    "tests", "limits", "features torch 1", "features torch 8", "coreset 20000", "coreset 100000", "density bank",
    "search 9", "inspection torch ldknn", "inspection torch nearest", "finetuning", "category",
)  # fmt: skip
BACKBONE = "wide_resnet50_2"  # the paper's of MVTec AD
PAPER = {"images_per_pass": 20, "passes_per_update": 7}  # of conf/mvtec_ad
IMAGES = {"train/good": 200, "test/good": 20, "test/defect": 40}  # about as many as a category has

logger = logging.getLogger("benchmarks.gpu")


def measure(step: str, settings: Settings, data_root: str | None, repeats: int) -> dict[str, Any]:
    """Measure one step of :data:`STEPS` in this process."""
    phase, _, case = step.partition(" ")
    if phase in PHASES:
        module = import_module(f"benchmarks.peers.{PHASES[phase]}")
        return beside_the_peer(module.CASES[phase][case](settings), repeats)
    if phase == "finetuning":
        return finetuning(settings)
    if phase == "category":
        return category(settings, data_root)
    return tests() if phase == "tests" else measure_limits(settings.device)


def beside_the_peer(case: Case, repeats: int) -> dict[str, Any]:
    """Time a case beside the peer, or alone where that is not installed."""
    try:
        times = interleaved(case, repeats)
    except ImportError as error:
        run = case.ours()
        if case.warm_up:
            run()
        ours = [timed(run).seconds for _ in range(repeats)]
        times = {"ours": ours, "peer": None, "remark": f"{error.name} is not installed"}
    return {"work": case.work, **times, "flop": case.flop, "moved": case.moved}


def tests() -> dict[str, Any]:
    """Run the tests marked ``gpu``."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in file.read_text()]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "0", *map(str, files)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = finished.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    status = "failed" if finished.returncode else "measured"
    return {"status": status, "result": lines[-1], "failed": failed}


class Repeated:
    """A task that gives the same pass again and again, so that nothing is drawn."""

    def __init__(self, task: Any, one_pass: Any) -> None:
        self.kinds = task.kinds
        self._pass = one_pass

    def passes(self, *_: int) -> Iterator[Any]:
        """Yield the pass without end."""
        return repeat(self._pass)


def finetuning(settings: Settings) -> dict[str, Any]:
    """Images a second of the paper's fine-tuning, and of its two halves: drawing defects, and training on them."""
    import torch

    from reb_pipeline.core.resumable_training import NoCheckpoint
    from reb_pipeline.defectmaker.fills import Donor
    from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
    from reb_pipeline.features.backbones import load_deepest
    from reb_pipeline.finetuning.network import ProxyNetwork
    from reb_pipeline.finetuning.settings import PAPER as REFERENCE
    from reb_pipeline.finetuning.settings import FinetuneBudget, SSLFinetuneSettings
    from reb_pipeline.finetuning.task import CachedImages, SyntheticTask
    from reb_pipeline.finetuning.training import ValidationSet, finetune

    side, kinds = settings.image_size, DefectSynthesisSettings().kinds()
    updates = settings.of(4, 1)
    passes = {"images_per_pass": 1, "passes_per_update": 1} if settings.quick else PAPER
    budget = {**REFERENCE.model_dump(), **passes, "freeze_updates": 0}

    def budget_of(updates: int) -> Any:
        paper = FinetuneBudget(**{**budget, "updates": updates})
        return SSLFinetuneSettings(budget="paper", paper=paper, loss="sigmoid").training

    def train(task: Any, updates: int) -> float:
        network = ProxyNetwork(
            load_deepest(name, image_size=side, weights=random_weights(name)),
            1 + len(kinds), image_size=side, freeze_batch_norm=False, frozen_depth=0.0, seed=0,
        )  # fmt: skip
        lasting = budget_of(updates)
        begun = time.perf_counter()
        finetune(network, task, few, lasting, NoCheckpoint(), origin="", device=settings.device)
        return time.perf_counter() - begun

    name = "resnet18" if settings.quick else BACKBONE
    salient = np.ones((side, side), bool)
    donors = [Donor(resize_image(image, side), salient) for image in cells(settings.of(40, 2))]
    few = ValidationSet(np.stack([donors[0].image] * 2), np.array([0, 1]))
    with tempfile.TemporaryDirectory() as folder:
        cached = CachedImages.write(Path(folder), donors, len(donors), side)
        task = SyntheticTask(cached, kinds, None, seed=0)
        size = budget_of(updates)
        n_passes = updates * size.passes_per_update
        begun = time.perf_counter()
        *_, last = islice(
            task.passes(0, updates * size.images_per_update, size.images_per_pass), n_passes
        )
        drawing = time.perf_counter() - begun
        train(Repeated(task, last), 1)  # libraries choose their kernels
        training, both = (train(given, updates) for given in (Repeated(task, last), task))
    of = {"drawing": drawing, "training": training, "both": both}
    return {
        "work": f"{name}, {side} px, {len(last)} images a pass, {torch.get_num_threads()} threads",
        "images_a_second": {what: n_passes * len(last) / taken for what, taken in of.items()},
    }


def category(settings: Settings, data_root: str | None) -> dict[str, Any]:
    """A run of one category of MVTec AD with the paper's setting, without its fine-tuning.

    Without the data set, of solar cells in its layout; without weights, with random ones, which take the same time.
    """
    import torch

    name = "screw"
    root = Path(data_root) if data_root else as_mvtec_ad(settings.work / "images" / name, settings)
    params = {
        "data_root": root, "output_root": settings.work / "out", "ssl_finetune.enabled": "false",
        "compute.device": settings.device,
    }  # fmt: skip
    if settings.quick:
        params |= {"features.image_size": 64, "features.backbone": "resnet18"}
    if settings.quick or not data_root:
        weights = settings.work / "random.pth"
        torch.save(random_weights("resnet18" if settings.quick else BACKBONE), weights)
        params["features.weights"] = weights
    given = ",".join(f"{key}={value}" for key, value in params.items())
    command = ["run", "--env", "mvtec_ad", "--namespaces", name, "--params", given]
    start = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "kedro", *command],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "200"},
    )  # fmt: skip
    seconds = time.perf_counter() - start
    work = f"{name}{'' if data_root else ', solar cells in its place'}"
    return {"work": work, "seconds_of_run": seconds, "log": finished.stdout.splitlines()[-40:]}


def as_mvtec_ad(folder: Path, settings: Settings) -> Path:
    """Write solar cells as a category of MVTec AD; returns the data root."""
    import cv2

    images = cells(sum(settings.of(n, 4) for n in IMAGES.values()))
    for part, n in IMAGES.items():
        (folder / part).mkdir(parents=True)
        for index, image in enumerate(islice(images, settings.of(n, 4))):
            cv2.imwrite(str(folder / part / f"{index:03}.png"), image)
    masks = folder / "ground_truth/defect"
    masks.mkdir(parents=True)
    for file in (folder / "test/defect").iterdir():
        mask = np.zeros(cv2.imread(str(file)).shape[:2], np.uint8)
        mask[:40, :40] = 255
        cv2.imwrite(str(masks / f"{file.stem}_mask.png"), mask)
    return folder.parent


def on_gpu(device: str) -> dict[str, Any]:
    """Name the GPU, and tell the MiB that this process had of it at its peak; empty for the processor."""
    import torch

    if device == "cpu":
        return {}
    mib = torch.cuda.max_memory_allocated(device) / 2**20
    return {"gpu": torch.cuda.get_device_name(device), "gpu_mib": mib}


def random_weights(name: str) -> dict[str, Any]:
    """State dict of a network of torchvision as it is before any training."""
    import torch
    import torchvision

    torch.manual_seed(0)
    state: dict[str, Any] = torchvision.models.get_model(name, weights=None).state_dict()
    return state


def share_of_limit(result: dict[str, Any], limits: dict[str, float]) -> float:
    """Least time of the plain algorithm's operations or bytes over our time: its place under the roofline."""
    least = max(result["flop"] / limits["flops"], result["moved"] / limits["bandwidth"])
    return float(least / statistics.median(result["ours"]))


def store(records: list[dict[str, Any]], file: Path) -> None:
    """Write all records, a JSON object a line, so that the file is whole at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with AtomicLocalFileSystem().open(str(file), "w") as lines:
        lines.writelines(f"{json.dumps(record)}\n" for record in records)


def run_steps(
    steps: Iterable[str], command_of: Callable[[str], list[str]], seconds: float, file: Path
) -> list[dict[str, Any]]:
    """Run each step in a process, and store what is known after each.

    Args:
        steps: Names of the steps, the most important first.
        command_of: From a step to the command whose last line of output is its result, as JSON.
        seconds: Time of all steps together; a step that is still running then is stopped.
        file: File of the records.
    """
    end = time.monotonic() + seconds
    records: list[dict[str, Any]] = []
    limits = None
    for step in steps:
        start = time.monotonic()
        record: dict[str, Any] = {"step": step, "status": "measured"}
        if start >= end:
            record["status"] = "not begun: the time was over"
        else:
            logger.info("%s, %.0f s are left", step, end - start)
            try:
                finished = subprocess.run(
                    command_of(step),
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=end - start,
                )
                record |= json.loads(finished.stdout.splitlines()[-1])
            except subprocess.TimeoutExpired:
                record["status"] = "stopped: the time was over"
            except subprocess.CalledProcessError as error:
                record |= {"status": "failed", "error": error.stderr[-2000:]}
            record["wall_seconds"] = time.monotonic() - start
        if step == "limits" and record["status"] == "measured":
            limits = record
        elif limits and "flop" in record:
            record["share_of_limit"] = share_of_limit(record, limits)
        records.append(record)
        store(records, file)
        logger.info("%s", {key: record[key] for key in record if key not in ("log", "error")})
    return records


def main() -> None:
    """Run all steps, or one of them in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder, made if missing")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--minutes", type=float, default=10, help="of all steps together")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--weights", help="state dict of a ResNet-18; EfficientNet-Lite0 without")
    parser.add_argument("--data-root", help="MVTec AD; solar cells and random weights without")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the command")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        (step,) = arguments.steps
        settings = Settings(arguments.work, arguments.weights, arguments.quick, arguments.device)
        result = measure(step, settings, arguments.data_root, arguments.repeats)
        result |= on_gpu(arguments.device)
        sys.stdout.write(f"\n{json.dumps(result)}\n")
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as work:
        given = [*sys.argv[1:], "--work", work, "--steps"]
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu", *given]
        file = arguments.out / "results.jsonl"
        records = run_steps(
            arguments.steps, lambda step: [*command, step], 60 * arguments.minutes, file
        )
    sys.exit(any(record["status"] != "measured" for record in records))


if __name__ == "__main__":
    main()
