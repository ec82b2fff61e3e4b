"""Hierarchical feature reconstruction (arXiv 2405.09148): from good images to a decoder, from it to residual maps."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint
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
    """Train a decoder on the features of good images, each computed once: without augmentation they never change.

    Args:
        levels: (id, float32 [h, w, channels] of every level, finest first) of the good images to train on.
        n_images: Their number, for the progress bar.
        held_out: Good images to validate on; the usual residual of every level is measured on them, or on the
            training images where there are none. They do not influence the decoder.
        settings: Loss and training.
        checkpoint: Where to go on from, and to write to.
        config: JSON values, what the features were made with; comes back with the weights.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; none without it.

    Returns:
        The decoder, and the history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

    Raises:
        InputError: If there are fewer than two images, or the training fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        bar = description and f"{description}, features"
        good = StoredLevels.write(Path(folder) / "good", progress(levels, bar, n_images))
        check_image_count(good)
        others = StoredLevels.write(Path(folder) / "held_out", held_out or ())
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
    """A trained decoder at work.

    Args:
        weights: What :func:`train_feature_decoder` gave.
        device: See :func:`reb_pipeline.core.device.torch_device`.
    """

    def __init__(self, weights: NetworkWeights, device: str = "auto") -> None:
        self._shapes = [tuple(shape) for shape in weights.config["shapes"]]
        self._decoder = FeatureDecoder(self._shapes, weights.config["loss"])
        self._decoder.load_state_dict(weights.state)
        self._device = torch_device(device)
        self._decoder.to(self._device).to(memory_format=torch.channels_last).eval()

    def residuals(self, levels: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Residual maps of a batch.

        Args:
            levels: float32 [batch, h, w, channels] of every level, finest first.

        Returns:
            float32 [batch, h, w] of every level, finest first; 1 is usual for a good image.

        Raises:
            InputError: If the levels are of other shapes than the decoder's.
        """
        check_shapes(levels, self._shapes)
        batch = [torch.from_numpy(level).to(self._device) for level in levels]
        # A GPU's TF32 would differ from the CPU by 1e-3.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found = zip(self._decoder.residuals(batch), self._decoder.usual, strict=True)
            return [(residual / usual).cpu().numpy() for residual, usual in found]


def _set_usual(decoder: FeatureDecoder, good: StoredLevels, batch_size: int) -> None:
    """Measure the mean residual of every level."""
    decoder.eval()
    with torch.inference_mode():
        sums = [
            n_images * torch.stack([residual.mean() for residual in decoder.residuals(batch)])
            for batch, n_images in batches_of(decoder, good, batch_size)
        ]
    usual = torch.stack(sums).double().sum(dim=0) / len(good)
    decoder.usual.copy_(torch.where(usual > 0, usual, 1))  # images all alike may leave no residual
