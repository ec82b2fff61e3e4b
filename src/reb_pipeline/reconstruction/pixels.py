"""Networks trained to reconstruct good images, and the residuals of images."""

import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.core.storage import mapped_array
from reb_pipeline.core.temporary import temporary_folder
from reb_pipeline.reconstruction.pixel_networks import build_pixel_network
from reb_pipeline.reconstruction.settings import PixelReconstructionSettings
from reb_pipeline.reconstruction.training import train

BATCH = 16
# Pixels. An image of 128 px then has the same number of patches as the usual backbone gives at 256 px, so image scores
# that compare patches cover the same surroundings in both.
PATCH_SIDE = 4


class Pixels:
    """Images as training data of a network.

    Args:
        images: uint8 [images, side, side, 3] RGB, in memory or memory-mapped.
    """

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: np.ndarray) -> torch.Tensor:
        """Get some images, uint8 [len(indices), side, side, 3]."""
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
        images: (id, uint8 [side, side, 3] RGB) of each image, with the side of the settings; stored in a file during
            the training.
        n_images: Number of images.
        model: A key of :data:`reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS`.
        settings: Side of the images in pixels, loss and training.
        held_out: Images for validation, same shape; kept in memory.
        checkpoint: Checkpoint to resume from and to write to.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; None shows no bar.

    Returns:
        The weights, and the history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

    Raises:
        InputError: If the model is unknown, there are too few images, or the disk has too little temporary space.
    """
    side, loss = settings.image_size, settings.loss
    network = build_pixel_network(model, side=side, loss=loss, seed=settings.seed)
    config = {"model": model, "loss": loss, "image_size": side, "settings": settings.training()}
    origin = hashlib.blake2b(json.dumps(config).encode(), digest_size=16)
    unseen = np.array([image for _, image in held_out or []], np.uint8)
    with temporary_folder() as folder:
        shape = (n_images, side, side, 3)
        seen = mapped_array(folder / "images.npy", np.uint8, shape)
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
    """Trained network that reconstructs images and measures their residuals.

    Args:
        weights: Weights from :func:`train_pixel_model`.
        device: See :func:`reb_pipeline.core.device.torch_device`.

    Attributes:
        side: Side of the images in pixels.
        loss: The loss of the training; residuals are measured by it.
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
            InputError: If the images have another size.
        """
        return self._run(images)[0]

    def residuals(self, images: np.ndarray) -> np.ndarray:
        """Measure the residual of each pixel between image and reconstruction.

        Args:
            images: uint8 [n, side, side, 3] RGB.

        Returns:
            float32 [n, side, side], by the loss of the training; higher is more anomalous.

        Raises:
            InputError: If the images have another size.
        """
        return self._run(images)[1]

    def patch_scores(
        self, images: Iterable[tuple[str, np.ndarray]]
    ) -> tuple[list[str], np.ndarray]:
        """Score patches of 4 x 4 pixels by their mean residual.

        Scores of single pixels would be dominated by noise, and by edges that the reconstruction slightly displaces.

        Args:
            images: (id, uint8 [side, side, 3] RGB) of each image, opened lazily.

        Returns:
            Ids, and scores, float32 [images, side / 4, side / 4].

        Raises:
            InputError: If there are no images, or they have another size.
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
        """Compute reconstructions and residuals."""
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
