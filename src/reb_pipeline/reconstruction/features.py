"""Hierarchical feature reconstruction (arXiv 2405.09148): training of a decoder, and residual maps by it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.core.temporary import temporary_folder
from reb_pipeline.reconstruction.feature_decoder import FeatureDecoder
from reb_pipeline.reconstruction.settings import FeatureReconstructionSettings
from reb_pipeline.reconstruction.stored_levels import StoredLevels, check_shapes
from reb_pipeline.reconstruction.training import batches_of, check_image_count, train

Levels = Iterable[tuple[str, list[np.ndarray]]]


def train_feature_decoder(
    levels: Levels,
    n_images: int,
    *,
    held_out: Levels | None,
    settings: FeatureReconstructionSettings,
    checkpoint: Checkpoint,
    config: dict[str, Any],
    device: str = "auto",
    description: str | None = None,
) -> tuple[NetworkWeights, dict[str, Any]]:
    """Train a decoder on the features of good images.

    The features are computed once per image, since without augmentation they never change.

    Args:
        levels: (id, float32 [h, w, channels] of every level, finest first) of the good training images.
        n_images: Number of training images, for the progress bar.
        held_out: Good images for validation; they do not influence the decoder. The usual residual of every level is
            measured on them, or on the training images if there are none.
        settings: Settings of the loss and the training.
        checkpoint: Checkpoint to resume from and to write to.
        config: JSON values that the features were made with; returned with the weights.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; None shows no bar.

    Returns:
        The decoder, and the history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

    Raises:
        InputError: If there are fewer than two images, or the training fails.
    """
    with temporary_folder() as folder:
        bar = description and f"{description}, features"
        good = StoredLevels.write(folder / "good", progress(levels, bar, n_images))
        check_image_count(good)
        others = StoredLevels.write(folder / "held_out", held_out or ())
        decoder = FeatureDecoder(good.shapes, settings.loss, settings.seed)
        decoder.scale_by(good.statistics())
        shapes = [list(shape) for shape in good.shapes]
        config = {
            **config,
            "shapes": shapes,
            "loss": settings.loss,
            "settings": settings.training(),
        }
        origin = json.dumps([config, good.digest, others.digest])
        history = train(
            decoder,
            good,
            others if len(others) else None,
            settings,
            checkpoint,
            origin=hashlib.blake2b(origin.encode(), digest_size=16).hexdigest(),
            device=device,
            description=description,
        )
        _set_usual(decoder, others if len(others) else good, settings.batch_size)
    return NetworkWeights(decoder.cpu().state_dict(), config), history


class FeatureReconstructor:
    """Trained decoder that measures residuals of features.

    Args:
        weights: Weights from :func:`train_feature_decoder`.
        device: See :func:`reb_pipeline.core.device.torch_device`.
    """

    def __init__(self, weights: NetworkWeights, device: str = "auto") -> None:
        self._shapes = [tuple(shape) for shape in weights.config["shapes"]]
        self._decoder = FeatureDecoder(self._shapes, weights.config["loss"])
        self._decoder.load_state_dict(weights.state)
        self._device = torch_device(device)
        self._decoder.to(self._device).to(memory_format=torch.channels_last).eval()

    def residuals(self, levels: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Measure the residual maps of a batch.

        Args:
            levels: float32 [batch, h, w, channels] of every level, finest first.

        Returns:
            float32 [batch, h, w] of every level, finest first; 1 is the usual residual of a good image.

        Raises:
            InputError: If the shapes of the levels differ from those of the decoder.
        """
        check_shapes(levels, self._shapes)
        batch = [torch.from_numpy(level).to(self._device) for level in levels]
        # With TF32 a GPU would differ from the CPU by 1e-3.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found = zip(self._decoder.residuals(batch), self._decoder.usual, strict=True)
            return [(residual / usual).cpu().numpy() for residual, usual in found]


def _set_usual(decoder: FeatureDecoder, good: StoredLevels, batch_size: int) -> None:
    """Measure the mean residual of every level and set it in the decoder."""
    decoder.eval()
    with torch.inference_mode():
        sums = [
            n_images * torch.stack([residual.mean() for residual in decoder.residuals(batch)])
            for batch, n_images in batches_of(decoder, good, batch_size)
        ]
    usual = torch.stack(sums).double().sum(dim=0) / len(good)
    decoder.usual.copy_(torch.where(usual > 0, usual, 1))  # identical images may have no residual
