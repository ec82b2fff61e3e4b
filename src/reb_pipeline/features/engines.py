"""What a network is computed with: PyTorch, or OpenVINO on a CPU."""

import logging
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.features.openvino_core import openvino_core
from reb_pipeline.images.resize import resize_image

logger = logging.getLogger(__name__)

# Engine of OpenVINO -> precision it may compute in, difference from PyTorch that it may have (of the largest feature).
PRECISIONS = {"openvino": ("f32", 1e-3), "openvino_bf16": ("bf16", 5e-2)}
ENGINES = ("torch", *PRECISIONS)


class Engine(Protocol):
    """Computes a network."""

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """From uint8 [batch, side, side, 3] RGB to the network's float32 [batch, …]."""


def build_engine(name: str, network: nn.Module, side: int, device: str) -> Engine:
    """Choose what a network is computed with.

    Args:
        name: One of :data:`ENGINES`; those of OpenVINO stay on the CPU.
        network: From uint8 [batch, side, side, 3] to float32 [batch, …].
        side: Pixels.
        device: Of PyTorch, see :func:`reb_pipeline.core.device.torch_device`.

    Raises:
        InputError: If the engine is unknown or not installed, or there is no such device.
    """
    check_known([name], ENGINES, "features.engine")
    return TorchEngine(network, device) if name == "torch" else OpenVinoEngine(network, side, name)


class TorchEngine:
    """PyTorch; see :func:`build_engine` for the arguments."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch_device(device)
        self._network = network.to(self._device).to(memory_format=torch.channels_last)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch."""
        batch = torch.from_numpy(pixels)
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        # A GPU's TF32 would differ from the CPU by 1e-3.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._network(batch).contiguous().cpu().numpy()


class OpenVinoEngine:
    """OpenVINO on the CPU: a lone image gets all cores for the least latency, several are computed side by side.

    Converted and compiled at the first use, because the threads that OpenVINO starts do not survive a fork. What is
    compiled is compared with PyTorch before it is used.

    Args:
        network: See :func:`build_engine`.
        side: Side of the images in pixels.
        name: A key of :data:`PRECISIONS`.

    Raises:
        InputError: If OpenVINO is not installed; at the first use if the network cannot be converted or its features
            differ too much from PyTorch's.
    """

    def __init__(self, network: nn.Module, side: int, name: str) -> None:
        self._openvino = _import_openvino(name)
        self._network = network
        self._side = side
        self._name = name

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch."""
        return _infer(self._for_one if len(pixels) == 1 else self._for_several, pixels)

    @cached_property
    def _for_one(self) -> Any:
        return self._compile("LATENCY")

    @cached_property
    def _for_several(self) -> Any:
        return self._compile("THROUGHPUT")

    @cached_property
    def _model(self) -> Any:
        example = torch.zeros(1, self._side, self._side, 3, dtype=torch.uint8)
        try:
            with torch.inference_mode(mode=False), torch.no_grad():
                exported = torch.export.export(self._network, (example,))
            return self._openvino.convert_model(exported, input=list(example.shape))
        except Exception as error:  # of many kinds, from PyTorch's export and from OpenVINO
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            msg = f"The backbone cannot be converted to OpenVINO ({reason}): set features.engine to torch."
            raise InputError(msg) from error

    def _compile(self, hint: str) -> Any:
        precision, _ = PRECISIONS[self._name]
        settings = {
            "PERFORMANCE_HINT": hint,
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # processes side by side would all take the same cores
        }
        compiled = openvino_core().compile_model(self._model, "CPU", settings)
        queue = self._openvino.AsyncInferQueue(compiled)
        self._check_parity(queue)
        return queue

    def _check_parity(self, queue: Any) -> None:
        images = _smooth_images(self._side)
        with torch.inference_mode():
            expected = self._network(torch.from_numpy(images)).numpy()
        difference = np.abs(_infer(queue, images) - expected).max() / np.abs(expected).max()
        logger.info(
            "Features of %s differ from PyTorch's by %.1e of the largest.", self._name, difference
        )
        _, tolerance = PRECISIONS[self._name]
        if not difference <= tolerance:  # also where it is not a number
            msg = (
                f"Features of engine {self._name} differ from PyTorch's by {difference:.1e} of the largest, more than "
                f"{tolerance:.0e}: set features.engine to torch."
            )
            raise InputError(msg)


def _import_openvino(name: str) -> ModuleType:
    try:
        import openvino
    except ImportError:
        msg = f"features.engine = {name} needs OpenVINO: pip install 'reb-pipeline[openvino]'"
        raise InputError(msg) from None
    return openvino


def _infer(queue: Any, pixels: np.ndarray) -> np.ndarray:
    """Compute image by image: one compiled shape serves every batch, and an image's features never depend on it."""
    features = np.empty((len(pixels), *queue[0].model_outputs[0].shape[1:]), np.float32)

    def keep(request: Any, index: int) -> None:
        features[index] = request.get_output_tensor().data[0]

    queue.set_callback(keep)
    for index in range(len(pixels)):
        queue.start_async({0: pixels[index : index + 1]}, index, share_inputs=True)
    queue.wait_all()
    return features


def _smooth_images(side: int) -> np.ndarray:
    """Some images of large, middle and small blobs of colour, always the same: uint8 [3, side, side, 3]."""
    rng = np.random.default_rng(0)
    blobs = [rng.integers(0, 256, (n, n, 3), np.uint8) for n in (4, 16, 64)]
    return np.stack([resize_image(image, side) for image in blobs])
