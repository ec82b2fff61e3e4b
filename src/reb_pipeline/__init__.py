"""REB as a Kedro project: learns the appearance of good parts from images, and marks deviations.

``Detector.fit`` trains a model from a folder of photos, and ``Inspector`` inspects images with one.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reb_pipeline.core import moved

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

__all__ = ["Detector", "Inspector"]
_HOMES = {"Detector": "commands.detector", "Inspector": "inspection.inspector"}

# PyTorch and FAISS have a thread pool each; spinning idle threads would take the cores from the other pool.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# OpenCV's threads do not survive a fork: processes of ParallelRunner would wait for them for ever.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

# No library reports its use to its makers. ONNX Runtime would look up their server and write below the home directory
# unless this is set before it is loaded; the others are the Hugging Face Hub, MLflow and Kedro's plugins.
os.environ |= dict.fromkeys(
    (
        "ORT_DISABLE_TELEMETRY",
        "HF_HUB_DISABLE_TELEMETRY",
        "MLFLOW_DISABLE_TELEMETRY",
        "DO_NOT_TRACK",
    ),
    "1",
)
# OpenVINO reports only where it can import this.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__version__ = "0.1.0"

moved.install()


def __getattr__(name: str) -> Any:
    """Import what ``__all__`` names when it is asked for: the package is quick to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
