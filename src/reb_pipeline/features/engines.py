"""Engines that compute a network: PyTorch, ONNX Runtime or OpenVINO; the last two on a CPU."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.installing import install_command
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.features.onnx_export import check_packages, export_onnx
from reb_pipeline.features.onnx_session import open_session
from reb_pipeline.features.openvino_core import openvino_core
from reb_pipeline.features.settings import QUICKEST
from reb_pipeline.images.resize import resize_image

logger = logging.getLogger(__name__)

# Engine of OpenVINO -> precision.
PRECISIONS = {"openvino": "f32", "openvino_bf16": "bf16"}
# Engine -> allowed difference from PyTorch, as a share of the largest feature.
TOLERANCES = {"openvino": 1e-3, "onnxruntime": 1e-3, "openvino_bf16": 5e-2}
AUTO = "auto"
ENGINES = ("torch", *TOLERANCES)


class Engine(Protocol):
    """Computation of a network."""

    @property
    def name(self) -> str:
        """One of :data:`ENGINES`."""

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute the network's float32 [batch, …] from uint8 [batch, height, width, 3] RGB."""


def build_engine(name: str, network: nn.Module, size: Size, device: str) -> Engine:
    """Build the engine that computes a network.

    Args:
        name: One of :data:`ENGINES`; all but ``torch`` compute on the CPU. ``auto`` takes the quickest that can be
            used, see :class:`AutoEngine`.
        network: Network from uint8 [batch, height, width, 3] to float32 [batch, …].
        size: Side, or height and width, of the images in pixels.
        device: Device of PyTorch, see :func:`reb_pipeline.core.device.torch_device`.

    Raises:
        InputError: If the engine is unknown or not installed, or the device does not exist.
    """
    check_known([name], (AUTO, *ENGINES), "features.engine")
    if name == AUTO:
        return AutoEngine(network, size, device)
    if name == "torch":
        return TorchEngine(network, device)
    return _build_converted(name, network, size)


def _build_converted(
    name: str, network: nn.Module, size: Size
) -> "OnnxRuntimeEngine | OpenVinoEngine":
    if name == "onnxruntime":
        return OnnxRuntimeEngine(network, size)
    return OpenVinoEngine(network, size, name)


class AutoEngine:
    """The quickest engine that is installed, can convert the network and agrees with PyTorch.

    The order of :data:`~reb_pipeline.features.settings.QUICKEST` decides, not a measurement, so that every run takes
    the same one. PyTorch computes if none of them can be used, and on a GPU. The engine is chosen at the first use, and
    the log names it.

    See :func:`build_engine` for the arguments.
    """

    def __init__(self, network: nn.Module, size: Size, device: str) -> None:
        self._network = network
        self._size = size
        self._device = device
        torch_device(device)  # raises an error for a GPU that is not there

    @property
    def name(self) -> str:
        """Name of the chosen engine."""
        return self._chosen.name

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch."""
        return self._chosen(pixels)

    @cached_property
    def _chosen(self) -> Engine:
        faults = []
        for name in QUICKEST if torch_device(self._device).type == "cpu" else ():
            try:
                engine = _build_converted(name, self._network, self._size)
                engine.check()
            except InputError as error:
                faults.append(str(error))
            else:
                logger.info("features.engine = auto computes the network by %s.", name)
                return engine
        logger.info("%s", " ".join(["features.engine = auto computes by PyTorch.", *faults]))
        return TorchEngine(self._network, self._device)


class TorchEngine:
    """Engine of PyTorch; see :func:`build_engine` for the arguments."""

    name = "torch"

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch_device(device)
        self._network = network.to(self._device).to(memory_format=torch.channels_last)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch."""
        batch = torch.from_numpy(pixels)
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        # With TF32, a GPU would differ from the CPU by 1e-3.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._network(batch).contiguous().cpu().numpy()


class OnnxRuntimeEngine:
    """Engine of ONNX Runtime on the CPU: one image uses all cores for low latency, several are computed in parallel.

    The network is exported at the first use, and compared with PyTorch before it is used.

    Args:
        network: See :func:`build_engine`.
        size: Side, or height and width, of the images in pixels.

    Raises:
        InputError: If ONNX Runtime or the export is not installed. At the first use, if the network cannot be exported,
            or its features differ too much from PyTorch's.
    """

    name = "onnxruntime"

    def __init__(self, network: nn.Module, size: Size) -> None:
        check_packages("features.engine = onnxruntime")
        self._network = network
        self._size = size

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch, image by image, so that features do not depend on the batch."""
        if len(pixels) == 1:
            return self._for_one(pixels)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            images = (pixels[index : index + 1] for index in range(len(pixels)))
            return np.concatenate(list(pool.map(self._for_several, images)))

    def check(self) -> None:
        """Export the network and compare it with PyTorch.

        Raises:
            InputError: See :class:`OnnxRuntimeEngine`.
        """
        _ = self._for_several

    @cached_property
    def _model(self) -> bytes:
        return export_onnx(self._network, self._size)

    @cached_property
    def _for_one(self) -> Callable[[np.ndarray], np.ndarray]:
        return self._open(torch.get_num_threads())

    @cached_property
    def _for_several(self) -> Callable[[np.ndarray], np.ndarray]:
        return self._open(1)

    def _open(self, n_threads: int) -> Callable[[np.ndarray], np.ndarray]:
        session = open_session(self._model, n_threads)
        images = _smooth_images(self._size)
        found = np.concatenate([session(images[index : index + 1]) for index in range(len(images))])
        _check_parity(self.name, self._network, images, found)
        return session


class OpenVinoEngine:
    """Engine of OpenVINO on the CPU: one image uses all cores for low latency, several are computed in parallel.

    The network is converted and compiled at the first use, because OpenVINO's threads do not survive a fork. The
    compiled network is compared with PyTorch before it is used.

    Args:
        network: See :func:`build_engine`.
        size: Side, or height and width, of the images in pixels.
        name: A key of :data:`PRECISIONS`.

    Raises:
        InputError: If OpenVINO is not installed. At the first use, if the network cannot be converted, or its features
            differ too much from PyTorch's.
    """

    def __init__(self, network: nn.Module, size: Size, name: str) -> None:
        self._openvino = _import_openvino(name)
        self._network = network
        self._size = size
        self.name = name
        self._lock = Lock()  # a queue serves one batch at a time

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute one batch."""
        with self._lock:
            return _infer(self._for_one if len(pixels) == 1 else self._for_several, pixels)

    def check(self) -> None:
        """Convert the network and compare it with PyTorch.

        Raises:
            InputError: See :class:`OpenVinoEngine`.
        """
        with self._lock:
            _ = self._for_several

    @cached_property
    def _for_one(self) -> Any:
        return self._compile("LATENCY")

    @cached_property
    def _for_several(self) -> Any:
        return self._compile("THROUGHPUT")

    @cached_property
    def _model(self) -> Any:
        example = torch.zeros(1, *shape_of(self._size), 3, dtype=torch.uint8)
        try:
            with torch.inference_mode(mode=False), torch.no_grad():
                exported = torch.export.export(self._network, (example,))
            return self._openvino.convert_model(exported, input=list(example.shape))
        except Exception as error:  # PyTorch's export and OpenVINO raise many kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            msg = f"The backbone cannot be converted to OpenVINO ({reason}): set features.engine to torch."
            raise InputError(msg) from error

    def _compile(self, hint: str) -> Any:
        settings = {
            "PERFORMANCE_HINT": hint,
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.name],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # with pinning, parallel processes would share the same cores
        }
        compiled = openvino_core().compile_model(self._model, "CPU", settings)
        queue = self._openvino.AsyncInferQueue(compiled)
        images = _smooth_images(self._size)
        _check_parity(self.name, self._network, images, _infer(queue, images))
        return queue


def _check_parity(name: str, network: nn.Module, images: np.ndarray, features: np.ndarray) -> None:
    """Compare the features of an engine with those of PyTorch.

    Raises:
        InputError: If they differ by more than the engine's tolerance.
    """
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    difference = np.abs(features - expected).max() / np.abs(expected).max()
    logger.info("Features of %s differ from PyTorch's by %.1e of the largest.", name, difference)
    if not difference <= TOLERANCES[name]:  # written so that NaN fails too
        msg = (
            f"Features of engine {name} differ from PyTorch's by {difference:.1e} of the largest, more than "
            f"{TOLERANCES[name]:.0e}: set features.engine to torch."
        )
        raise InputError(msg)


def _import_openvino(name: str) -> ModuleType:
    try:
        import openvino
    except ImportError:
        command = install_command("openvino")
        msg = f"features.engine = {name} needs OpenVINO: run `{command}`."
        raise InputError(msg) from None
    return openvino


def _infer(queue: Any, pixels: np.ndarray) -> np.ndarray:
    """Compute image by image, so that one compiled shape fits every batch and features do not depend on the batch."""
    features = np.empty((len(pixels), *queue[0].model_outputs[0].shape[1:]), np.float32)

    def keep(request: Any, index: int) -> None:
        features[index] = request.get_output_tensor().data[0]

    queue.set_callback(keep)
    for index in range(len(pixels)):
        queue.start_async({0: pixels[index : index + 1]}, index, share_inputs=True)
    queue.wait_all()
    return features


def _smooth_images(size: Size) -> np.ndarray:
    """Make three fixed images with large, medium and small blobs of colour, uint8 [3, height, width, 3]."""
    rng = np.random.default_rng(0)
    blobs = [rng.integers(0, 256, (n, n, 3), np.uint8) for n in (4, 16, 64)]
    return np.stack([resize_image(image, size) for image in blobs])
