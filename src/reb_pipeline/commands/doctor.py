"""Command ``reb doctor``: check that the installation can inspect and train."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click

from reb_pipeline import __version__
from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import SETTINGS
from reb_pipeline.core.errors import InputError

GOOD, MISSING, BAD = "ok", "--", "!!"
LEAST_FREE_BYTES = 2 * 10**9  # a training of a few hundred photos takes one to two GB
# Module -> distribution.
FOR_INSPECTION = {
    "numpy": "numpy", "scipy": "scipy", "PIL": "pillow", "faiss": "faiss-cpu", "onnxruntime": "onnxruntime",
    "fsspec": "fsspec", "pydantic": "pydantic",
}  # fmt: skip
FOR_TRAINING = {
    "torch": "torch", "timm": "timm", "kedro.framework.project": "kedro", "kedro_datasets": "kedro-datasets",
    "cv2": "opencv-python-headless", "pandas": "pandas", "pyarrow": "pyarrow", "sklearn": "scikit-learn",
    "onnx": "onnx", "onnxscript": "onnxscript",
}  # fmt: skip
FOR_MORE = {
    "the service": {"uvicorn": "uvicorn", "fastapi": "fastapi"},
    "the lineage": {"kedro_viz": "kedro-viz"},
    "OpenVINO": {"openvino": "openvino"},
}
_ALSO_CV2 = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


@click.command(context_settings=SETTINGS)
def command() -> int:
    """Check the packages, the weights of the network, the disk and the threads.

    Nothing is downloaded. Exit status: 0 if what is installed works, for inspection alone or for training too; 2 if
    something must be mended.
    """
    can_inspect = _packages("inspection", FOR_INSPECTION, BAD)
    can_train = _packages("training", FOR_TRAINING, MISSING)
    for purpose, modules in FOR_MORE.items():
        _packages(purpose, modules, MISSING)
    checks: list[Callable[[], tuple[str, str]]] = [_python, _disk, _threads]
    if can_train:
        checks += [_weights, _device]
    marks = [_say(check) for check in checks]
    if not can_inspect or BAD in marks:
        click.echo("Something must be mended, see the lines that begin with !!.")
        return 2
    more = "train and inspect" if can_train else "inspect; for training install the packages above"
    click.echo(f"reb {__version__} can {more}.")
    return 0


def _packages(purpose: str, modules: dict[str, str], without: str) -> bool:
    """Import the packages of a purpose, and say which are missing or broken."""
    if "kedro.framework.project" in modules:
        with suppress(Exception):  # named below, with the other packages
            load_kedro()
    versions, missing = [], {}
    for module, name in modules.items():
        try:
            import_module(module)
        except Exception as error:  # a broken installation raises any
            missing[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            versions.append(f"{name} {_version(name)}")
    if missing:
        for name, reason in missing.items():
            click.echo(
                f"{without} {purpose}: {name} cannot be imported ({reason}); run `pip install {name}`"
            )
    else:
        click.echo(f"{GOOD} {purpose}: {', '.join(versions)}")
    return not missing


def _version(name: str) -> str:
    """Find the version of a distribution, or of another one with the same module."""
    for one in (name, *(_ALSO_CV2 if name.startswith("opencv") else ())):
        try:
            return version(one)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def _say(check: Callable[[], tuple[str, str]]) -> str:
    try:
        mark, line = check()
    except Exception as error:  # an installation can be broken in any way
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        mark, line = BAD, f"{check.__name__.strip('_')}: {reason.splitlines()[0]}"
    click.echo(f"{mark} {line}")
    return mark


def _python() -> tuple[str, str]:
    return GOOD, f"Python {platform.python_version()}, {platform.platform()}"


def _disk() -> tuple[str, str]:
    """Compare the free space of the working folder and of the temporary folder with what a training takes."""
    from reb_pipeline.core.storage import size_text

    places = {"here": os.getcwd(), "for temporary files": tempfile.gettempdir()}
    free = {name: shutil.disk_usage(path).free for name, path in places.items()}
    said = ", ".join(f"{size_text(n_bytes)} {name}" for name, n_bytes in free.items())
    enough = min(free.values()) >= LEAST_FREE_BYTES
    few = "" if enough else f"; a training takes up to {size_text(LEAST_FREE_BYTES)}"
    return (GOOD if enough else BAD), f"disk: {said} free{few}"


def _threads() -> tuple[str, str]:
    """Count the processor cores that this process may use."""
    can_use = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    said = f", OMP_NUM_THREADS={limit}" if limit else ""
    return GOOD, f"threads: {can_use} processor cores{said}"


def _weights() -> tuple[str, str]:
    """Read the weights of the default backbone."""
    from reb_pipeline.features.weights import packaged_lite0

    n_values = sum(tensor.numel() for tensor in packaged_lite0().values())
    return GOOD, f"weights: efficientnet_lite0 on ImageNet, {n_values / 1e6:.1f} million values"


def _device() -> tuple[str, str]:
    import torch

    n_gpus = torch.cuda.device_count()
    gpus = ", ".join(torch.cuda.get_device_name(number) for number in range(n_gpus))
    return GOOD, f"device: {gpus or 'no GPU, the processor computes'}"
