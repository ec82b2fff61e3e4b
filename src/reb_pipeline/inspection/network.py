"""Network of a packaged model, run by ONNX Runtime or OpenVINO on the CPU, from any number of threads."""

import threading
from collections.abc import Callable

import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.installing import install_command

Network = Callable[[np.ndarray], np.ndarray]


def load_network(model: bytes, engine: str) -> Network:
    """Load a network for an engine.

    Args:
        model: ONNX file of :func:`reb_pipeline.features.onnx_export.export_onnx`.
        engine: A key of :data:`ENGINES`.

    Returns:
        Function of one image, uint8 [1, height, width, 3], that returns float32 [1, h, w, channels].

    Raises:
        InputError: If the engine is unknown, not installed, or cannot read the file.
    """
    check_known([engine], list(ENGINES), "Engine")
    extra, build = ENGINES[engine]
    try:
        return build(model)
    except ImportError as error:
        command = install_command(extra) if extra else f"pip install {engine}"
        msg = f"Engine {engine} cannot be imported ({error}): run `{command}`."
        raise InputError(msg) from error
    except Exception as error:  # each runtime has its own exceptions
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        msg = (
            f"The network of the packaged model cannot be read by {engine} ({reason}): install a newer {engine}, or "
            f"run the pipeline packaging again."
        )
        raise InputError(msg) from error


def with_onnxruntime(model: bytes) -> Network:
    """Load a network with ONNX Runtime."""
    from reb_pipeline.features.onnx_session import open_session

    return open_session(model)


def with_openvino(model: bytes) -> Network:
    """Load a network with OpenVINO."""
    from reb_pipeline.features.openvino_core import openvino_core

    core = openvino_core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # several processes would all use the same cores
    }
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    own = threading.local()  # one request per thread

    def compute(pixels: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        features: np.ndarray = own.request.infer({0: pixels}, share_inputs=True)[0]
        return features

    return compute


# Name -> (extra that installs the engine if it is one, function that loads a network).
ENGINES: dict[str, tuple[str | None, Callable[[bytes], Network]]] = {
    "onnxruntime": (None, with_onnxruntime),
    "openvino": ("openvino", with_openvino),
}
