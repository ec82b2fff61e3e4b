"""Saliency: the region of an image that may bear a defect (REB paper section 3.1.1).

The paper takes maps of a salient-object network (EDN) for objects and the whole image for textures.
The reference counts every value above 0 as salient, faint JPEG ringing included; here a soft map is salient where it
reaches half of its maximum.
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
"""Takes an image's relative path and the image, uint8 [H, W, 3], RGB; returns bool [H, W]."""

SPECTRAL_SIDE = 64  # px: the scale that Hou and Zhang found right
GRABCUT_SIDE = 128  # px, of the longer side: enough for a rough outline
GRABCUT_BORDER = 0.05  # share of each side taken for background at first
GRABCUT_ROUNDS = 3
NETWORK_SIZE = 320, 320  # px, the input of U²-Net, for a model that names no size of its own
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FAINT = 0.1  # a network's map that stays below shows nothing salient


def whole_image(image: np.ndarray) -> np.ndarray:
    """Everything is salient: the choice for textures."""
    return np.ones(image.shape[:2], bool)


def spectral_residual(image: np.ndarray) -> np.ndarray:
    """Spectral-residual saliency (Hou and Zhang, CVPR 2007), thresholded by Otsu, morphologically closed."""
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
    """Segment what differs in colour from the image's border (GrabCut begun with a rectangle)."""
    shrink = min(1.0, GRABCUT_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    y, x = max(1, round(h * GRABCUT_BORDER)), max(1, round(w * GRABCUT_BORDER))
    mask = np.zeros((h, w), np.uint8)
    if h <= 2 * y or w <= 2 * x:
        return _enlarge(mask, image)
    cv2.setRNGSeed(0)  # its clustering draws from OpenCV's global generator
    models = np.zeros((1, 65)), np.zeros((1, 65))  # filled and read by OpenCV alone
    inside = (x, y, w - 2 * x, h - 2 * y)
    cv2.grabCut(small, mask, inside, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    return _enlarge(mask & 1, image)  # odd labels are the foreground, certain or probable


class NetworkSaliency:
    """The map of a salient-object network exported to ONNX, such as U²-Net or EDN; its first output counts.

    Args:
        model: Path of the ONNX file.

    Raises:
        InputError: The file is missing or OpenCV cannot run it.
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
        """Run the network on one image; the path does not matter."""
        return _half_maximum(self._run(image)[0, 0], image, FAINT)

    def _run(self, image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_AREA)
        scaled = (small.astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
        self._network.setInput(scaled.transpose(2, 0, 1)[None].astype(np.float32))
        return self._network.forward(self._output)


class SaliencyFolder:
    """Maps made beforehand: ``<stem>_saliency.*`` or ``<stem>.*`` at the image's relative path in a folder.

    Args:
        folder: The folder, on any fsspec file system.

    Raises:
        InputError: The folder is missing or holds no image.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = ImageFiles(folder, "Saliency folder")
        self._by_stem = {_without_suffix(path): path for path in self._files.paths}

    def __call__(self, path: str, image: np.ndarray) -> np.ndarray:
        """Read the map of one image.

        Raises:
            InputError: There is none, or it is not readable.
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
"""Each makes an estimator from a source: a path, or nothing for the methods that need the image alone."""

NEED_SOURCE = {"onnx": "the path of a model", "folder": "the path of a folder of maps"}


def saliency_estimator(method: str, source: str | None = None) -> SaliencyEstimator:
    """Prepare a method to find what is salient in images.

    Args:
        method: A key of :data:`SALIENCY`.
        source: The model of ``onnx``, the folder of ``folder``; the other methods leave it aside.

    Raises:
        InputError: The method is unknown, or its source is missing or unusable.
    """
    check_known([method], list(SALIENCY), "Saliency method")
    if method in NEED_SOURCE and not source:
        msg = f"Saliency method '{method}' has no source: give {NEED_SOURCE[method]}."
        raise InputError(msg)
    return SALIENCY[method](source or "")


def or_whole_image(saliency: np.ndarray) -> tuple[np.ndarray, bool]:
    """The map itself, or the whole image where nothing is salient.

    Args:
        saliency: bool [H, W].

    Returns:
        A map with something salient, and whether it is the whole image for want of anything salient.
    """
    if saliency.any():
        return saliency, False
    return np.ones_like(saliency), True


def _half_maximum(soft: np.ndarray, image: np.ndarray, faint: float) -> np.ndarray:
    """Threshold a soft map, resized to the image, at half of its maximum; nothing is salient if that is faint."""
    h, w = image.shape[:2]
    resized = cv2.resize(soft.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    highest = float(resized.max())
    return (resized >= highest / 2) & (highest > faint)


def _enlarge(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A small 0/1 mask at the size of the image."""
    h, w = image.shape[:2]
    return cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR) >= 0.5


def _without_suffix(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()
