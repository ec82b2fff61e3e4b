"""Saliency: the region of an image that may bear a defect (REB paper section 3.1.1).

The paper uses maps of a salient-object network (EDN) for objects, and the whole image for textures.
The reference code takes every value above 0 as salient, even faint JPEG artefacts. Here the threshold of a soft map
is half of its maximum.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

import cv2
import numpy as np

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.defectmaker.images import ImageFiles

SaliencyEstimator = Callable[[str, np.ndarray], np.ndarray]
"""Function of the relative path of an image and the image, uint8 [H, W, 3], RGB; returns bool [H, W]."""

SPECTRAL_SIDE = 64  # px: the scale that Hou and Zhang recommend
GRABCUT_SIDE = 128  # px of the longer side: enough for a rough outline
GRABCUT_BORDER = 0.05  # share of each side that is background at the start
GRABCUT_ROUNDS = 3
NETWORK_SIZE = 320, 320  # px: input of U²-Net, used if a model does not name its size
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FAINT = 0.1  # if the maximum of a network's map is below, nothing is salient


def whole_image(image: np.ndarray) -> np.ndarray:
    """Mark the whole image as salient: the choice for textures."""
    return np.ones(image.shape[:2], bool)


def spectral_residual(image: np.ndarray) -> np.ndarray:
    """Compute spectral-residual saliency (Hou and Zhang, CVPR 2007), thresholded by Otsu, morphologically closed."""
    small = cv2.resize(image, (SPECTRAL_SIDE, SPECTRAL_SIDE), interpolation=cv2.INTER_AREA)
    spectrum = np.fft.fft2(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))
    log_amplitude = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
    residual = log_amplitude - cv2.blur(log_amplitude, (3, 3), borderType=cv2.BORDER_REPLICATE)
    peaks = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    soft = cv2.GaussianBlur(peaks, (0, 0), 2.5)
    levels = (255 * soft / soft.max()).astype(np.uint8)
    _, salient = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    return _enlarge(cv2.morphologyEx(salient, cv2.MORPH_CLOSE, ellipse), image)


def grabcut(image: np.ndarray) -> np.ndarray:
    """Segment the foreground by its colour with GrabCut, started with a rectangle inside the border."""
    shrink = min(1.0, GRABCUT_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    y, x = max(1, round(h * GRABCUT_BORDER)), max(1, round(w * GRABCUT_BORDER))
    mask = np.zeros((h, w), np.uint8)
    if h <= 2 * y or w <= 2 * x:
        return _enlarge(mask, image)
    cv2.setRNGSeed(0)  # GrabCut draws from OpenCV's global random generator
    models = np.zeros((1, 65)), np.zeros((1, 65))  # working memory of OpenCV
    inside = (x, y, w - 2 * x, h - 2 * y)
    cv2.grabCut(small, mask, inside, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    return _enlarge(mask & 1, image)  # odd labels are the foreground, certain or probable


class NetworkSaliency:
    """Saliency by the map of a salient-object network exported to ONNX, such as U²-Net or EDN.

    The first output of the network is used.

    Args:
        model: Path of the ONNX file.

    Raises:
        InputError: If the file is missing or OpenCV cannot run it.
    """

    def __init__(self, model: str) -> None:
        try:
            self._network = cv2.dnn.readNetFromONNX(model)
            sides = re.search(r"<Input>.* x 3 x (\d+) x (\d+)\]", self._network.dump())
            self._size = (int(sides[1]), int(sides[2])) if sides else NETWORK_SIZE
            self._output = self._network.getUnconnectedOutLayersNames()[0]
            output = self._run(np.zeros((*self._size, 3), np.uint8))
        except cv2.error:
            msg = f"Saliency model '{model}' is missing or not one that OpenCV can run: give an ONNX file."
            raise InputError(msg) from None
        if output.ndim != 4 or output.shape[1] != 1:
            msg = (
                f"Saliency model '{model}' gives {list(output.shape)} instead of a map [1, 1, height, width]: "
                "export a salient-object network, its map first."
            )
            raise InputError(msg)

    def __call__(self, path: str, image: np.ndarray) -> np.ndarray:
        """Run the network on one image; the path is not used."""
        return _half_maximum(self._run(image)[0, 0], image, FAINT)

    def _run(self, image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_AREA)
        scaled = (small.astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
        self._network.setInput(scaled.transpose(2, 0, 1)[None].astype(np.float32))
        return self._network.forward(self._output)


class SaliencyFolder:
    """Saliency by maps made beforehand, read from a folder.

    The map of an image is ``<stem>_saliency.*`` or ``<stem>.*`` at the relative path of the image.

    Args:
        folder: The folder, on any fsspec file system.

    Raises:
        InputError: If the folder is missing or holds no image.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = ImageFiles(folder, "Saliency folder")
        self._by_stem = {_without_suffix(path): path for path in self._files.paths}

    def __call__(self, path: str, image: np.ndarray) -> np.ndarray:
        """Read the map of one image.

        Raises:
            InputError: If there is no map, or it is not readable.
        """
        stem = _without_suffix(path)
        found = self._by_stem.get(f"{stem}_saliency") or self._by_stem.get(stem)
        if found is None:
            msg = (
                f"Image '{path}' has no saliency map in '{self._folder}': add "
                f"'{stem}_saliency.png' there or choose another method."
            )
            raise InputError(msg)
        return _half_maximum(self._files.read(found, cv2.IMREAD_GRAYSCALE), image, 0)


def _of_image(method: Callable[[np.ndarray], np.ndarray]) -> Callable[[str], SaliencyEstimator]:
    return lambda _source: lambda _path, image: method(image)


SALIENCY: dict[str, Callable[[str], SaliencyEstimator]] = {
    "whole_image": _of_image(whole_image),
    "spectral_residual": _of_image(spectral_residual),
    "grabcut": _of_image(grabcut),
    "onnx": NetworkSaliency,
    "folder": SaliencyFolder,
}
"""Constructors of saliency estimators by name.

Each takes a source: the path of a model or of a folder; methods that need only the image get an empty string.
"""

NEED_SOURCE = {"onnx": "the path of a model", "folder": "the path of a folder of maps"}


def saliency_estimator(method: str, source: str | None = None) -> SaliencyEstimator:
    """Create the saliency estimator of a method.

    Args:
        method: A key of :data:`SALIENCY`.
        source: Path of the model for ``onnx``, of the folder for ``folder``; other methods do not use it.

    Raises:
        InputError: If the method is unknown, or its source is missing or unusable.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.defectmaker.saliency import saliency_estimator
        >>> estimate = saliency_estimator("whole_image")
        >>> estimate("good/000.png", np.zeros((2, 3, 3), np.uint8))
        array([[ True,  True,  True],
               [ True,  True,  True]])
    """
    check_known([method], list(SALIENCY), "Saliency method")
    if method in NEED_SOURCE and not source:
        msg = f"Saliency method '{method}' has no source: give {NEED_SOURCE[method]}."
        raise InputError(msg)
    return SALIENCY[method](source or "")


def or_whole_image(saliency: np.ndarray) -> tuple[np.ndarray, bool]:
    """Replace a map without a salient pixel by the whole image.

    Args:
        saliency: bool [H, W].

    Returns:
        A map with at least one salient pixel, and True if it was replaced by the whole image.
    """
    if saliency.any():
        return saliency, False
    return np.ones_like(saliency), True


def _half_maximum(soft: np.ndarray, image: np.ndarray, faint: float) -> np.ndarray:
    """Resize a soft map to the image and threshold it at half of its maximum.

    Nothing is salient if the maximum is at most ``faint``.
    """
    h, w = image.shape[:2]
    resized = cv2.resize(soft.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    highest = float(resized.max())
    return (resized >= highest / 2) & (highest > faint)


def _enlarge(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Resize a small 0/1 mask to the size of the image."""
    h, w = image.shape[:2]
    return cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR) >= 0.5


def _without_suffix(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()
