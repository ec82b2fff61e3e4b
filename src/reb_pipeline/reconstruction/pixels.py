"""Networks trained to reconstruct good images, and the residuals of any image."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.reconstruction.pixel_networks import build_pixel_network
from reb_pipeline.reconstruction.settings import PixelReconstructionSettings
from reb_pipeline.reconstruction.training import train

BATCH = 16
# Pixels. At 128 px an image has as many patches as of the usual backbone at 256 px: scores of images, which compare
# patches, cover as much of their surroundings in both.
PATCH_SIDE = 4


class Pixels:
    """Images as what a network is trained on.

    Args:
        images: uint8 [images, side, side, 3] RGB, in memory or mapped.
    """

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: np.ndarray) -> torch.Tensor:
        """Some images, uint8 [len(indices), side, side, 3]."""
        return torch.from_numpy(self._images[indices])


def train_pixel_model(
    images: Iterable[tuple[str, np.ndarray]],
    n_images: int,
    *,
    model: str,
    settings: PixelReconstructionSettings,
    held_out: Iterable[tuple[str, np.ndarray]] | None = None,
    checkpoint: Checkpoint,
    device: str = "auto",
    description: str | None = None,
) -> tuple[NetworkWeights, dict[str, Any]]:
    """Train a network to reconstruct good images, without augmentation.

    Args:
        images: (id, uint8 [side, side, 3] RGB) each, of the side that the settings name; kept in a file while the
            network trains.
        n_images: Their number.
        model: A key of :data:`reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS`.
        settings: Side of the images in pixels, loss and training.
        held_out: Images to validate on, of the same shape; kept in memory.
        checkpoint: Where to go on from, and to write to.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; no bar without it.

    Returns:
        The weights, and the history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

    Raises:
        InputError: If the model is unknown, or there are too few images.
    """
    side, loss = settings.image_size, settings.loss
    network = build_pixel_network(model, side=side, loss=loss, seed=settings.seed)
    config = {"model": model, "loss": loss, "image_size": side, "settings": settings.training()}
    origin = hashlib.blake2b(json.dumps(config).encode(), digest_size=16)
    unseen = np.array([image for _, image in held_out or []], np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        shape = (n_images, side, side, 3)
        seen = np.lib.format.open_memmap(Path(folder, "images.npy"), "w+", np.uint8, shape)
        for row, (_, image) in enumerate(images):
            seen[row] = image
            origin.update(image.tobytes())
        origin.update(unseen.tobytes())
        history = train(
            network,
            Pixels(seen),
            Pixels(unseen) if len(unseen) else None,
            settings,
            checkpoint,
            origin=origin.hexdigest(),
            device=device,
            description=description,
        )
    return NetworkWeights(network.cpu().state_dict(), config), history


class PixelReconstructor:
    """Reconstructs images as the good ones that its network was trained on.

    Args:
        weights: What :func:`train_pixel_model` gave.
        device: See :func:`reb_pipeline.core.device.torch_device`.

    Attributes:
        side: Side of its images in pixels.
        loss: The loss it was trained with, which is how residuals are measured.
    """

    def __init__(self, weights: NetworkWeights, device: str = "auto") -> None:
        config = weights.config
        self.side: int = config["image_size"]
        self.loss: str = config["loss"]
        self._device = torch_device(device)
        network = build_pixel_network(config["model"], side=self.side, loss=self.loss, seed=0)
        network.load_state_dict(dict(weights.state))
        self._network = network.to(self._device).eval()

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Reconstruct images.

        Args:
            images: uint8 [n, side, side, 3] RGB.

        Returns:
            float32 [n, side, side, 3] in [0, 1].

        Raises:
            InputError: If the images are of another size.
        """
        return self._run(images)[0]

    def residuals(self, images: np.ndarray) -> np.ndarray:
        """Measure the distance of each pixel from its reconstruction.

        Args:
            images: uint8 [n, side, side, 3] RGB.

        Returns:
            float32 [n, side, side], by the loss that the network was trained with; higher is more anomalous.

        Raises:
            InputError: If the images are of another size.
        """
        return self._run(images)[1]

    def patch_scores(
        self, images: Iterable[tuple[str, np.ndarray]]
    ) -> tuple[list[str], np.ndarray]:
        """Score patches of 4 x 4 pixels by their mean residual.

        Single pixels would be scored by noise, and by edges that a reconstruction draws a little beside their place.

        Args:
            images: (id, uint8 [side, side, 3] RGB) each, opened lazily.

        Returns:
            Ids, and scores, float32 [images, side / 4, side / 4].

        Raises:
            InputError: If there are none, or they are of another size.
        """
        image_ids: list[str] = []
        scores: list[np.ndarray] = []
        n_patches = self.side // PATCH_SIDE
        remaining = iter(images)
        while batch := list(islice(remaining, BATCH)):
            image_ids += [image_id for image_id, _ in batch]
            residuals = self.residuals(np.stack([image for _, image in batch]))
            patches = residuals.reshape(-1, n_patches, PATCH_SIDE, n_patches, PATCH_SIDE)
            scores.append(patches.mean(axis=(2, 4)))
        if not scores:
            msg = "There are no images to reconstruct: give at least one."
            raise InputError(msg)
        return image_ids, np.concatenate(scores)

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reconstructions and residuals."""
        if images.shape[1:] != (self.side, self.side, 3):
            msg = (
                f"Images of shape {images.shape[1:]} cannot be reconstructed by a network trained on {self.side} x "
                f"{self.side} pixels of 3 channels: resize them, or train it anew."
            )
            raise InputError(msg)
        with torch.inference_mode():
            found = [
                self._network.reconstruct(batch.to(self._device))
                for batch in torch.tensor(images).split(BATCH)
            ]
        reconstructions, residuals = zip(*found, strict=True)
        return torch.cat(reconstructions).cpu().numpy(), torch.cat(residuals).cpu().numpy()
