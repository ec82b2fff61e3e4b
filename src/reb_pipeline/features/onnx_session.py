"""Session of ONNX Runtime on the CPU; quick to import."""

from collections.abc import Callable

import numpy as np


def open_session(model: bytes, n_threads: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Load a network that has one input and one output.

    Args:
        model: ONNX file of :func:`reb_pipeline.features.onnx_export.export_onnx`.
        n_threads: Threads that compute one image; 0 takes one per core.

    Returns:
        Function of one image, uint8 [1, height, width, 3], for any number of threads; it returns float32
        [1, h, w, channels].

    Raises:
        ImportError: If ONNX Runtime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = n_threads
    # Spinning threads would take the cores from the search that follows.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def compute(pixels: np.ndarray) -> np.ndarray:
        (features,) = session.run(None, {name: pixels})
        return features

    return compute
