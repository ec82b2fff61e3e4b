"""Training loop of networks that reconstruct good images or their features."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint, ResumableRun
from reb_pipeline.reconstruction.settings import ReconstructionSettings

VALIDATE_EVERY = 50  # updates; also after the last one
FEWEST_IMAGES = 2  # one image has no batch statistics


class Reconstruction(nn.Module, ABC):
    """Network that is trained to reconstruct its input."""

    @abstractmethod
    def loss(self, batch: Any, generator: torch.Generator | None) -> torch.Tensor:
        """Measure the error of the reconstruction.

        Args:
            batch: Batch of :meth:`Batches.batch`, on the network's device.
            generator: Random generator for noise, on the same device; None in validation, which has no noise.

        Returns:
            Mean error over the batch, a scalar.
        """


class Batches(Protocol):
    """Training data of a network: images, or features of images."""

    def __len__(self) -> int:
        """Count the images."""

    def batch(self, indices: np.ndarray) -> Any:
        """Get some images as a tensor or a list of tensors, on the CPU."""


def check_image_count(data: Batches) -> None:
    """Check that there are enough images for a training.

    Raises:
        InputError: If there are fewer than two.
    """
    if len(data) < FEWEST_IMAGES:
        msg = (
            f"{len(data)} good images are too few to train a reconstruction: give at least {FEWEST_IMAGES} that are "
            f"not held out."
        )
        raise InputError(msg)


def train(
    network: Reconstruction,
    data: Batches,
    held_out: Batches | None,
    settings: ReconstructionSettings,
    checkpoint: Checkpoint,
    *,
    origin: str,
    device: str = "auto",
    description: str | None = None,
) -> dict[str, Any]:
    """Train a network in place with Adam, a cosine learning-rate schedule and full precision.

    An interrupted training resumes from its last checkpoint. On a CPU it ends with exactly the weights of an
    uninterrupted training. Half precision would blur small residuals, which are differences of almost equal numbers.

    Args:
        network: The network with its initial weights; stays on the device.
        data: Images for training.
        held_out: Images for periodic validation; they do not influence the training.
        settings: Duration, batch size and learning rate.
        checkpoint: Checkpoint to resume from and to write to.
        origin: Hash of data, network and initial weights. A checkpoint of another origin or other settings is
            ignored.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; None shows no bar.

    Returns:
        JSON values. ``updates``: for each update a dictionary of ``update`` (counted from 1), ``loss`` and
        ``learning_rate``. ``validations``: for each validation a dictionary of ``update`` and ``loss``.

    Raises:
        InputError: If there are fewer than two images, or the loss is no longer finite.
    """
    check_image_count(data)
    # Convolutions are fastest with channels last.
    network.to(torch_device(device)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    identity = {"origin": origin, "settings": settings.training()}
    run = ResumableRun(checkpoint, identity, {"network": network, "optimizer": optimizer})
    done = len(run.history.updates)
    for update in progress(range(done, settings.updates), description, settings.updates, done):
        rate = settings.learning_rate * (1 + math.cos(math.pi * update / settings.updates)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _update(network, data, optimizer, settings, update)
        run.history.updates.append({"update": update + 1, "loss": loss, "learning_rate": rate})
        is_last = update + 1 == settings.updates
        if held_out is not None and (is_last or (update + 1) % VALIDATE_EVERY == 0):
            loss = validate(network, held_out, settings.batch_size)
            run.history.validations.append({"update": update + 1, "loss": loss})
        run.keep(is_last=is_last)
    return asdict(run.history)


def validate(network: Reconstruction, data: Batches, batch_size: int) -> float:
    """Compute the mean loss over all images, in eval mode and without noise."""
    network.eval()
    with torch.inference_mode():
        losses = [
            network.loss(batch, None).item() * n_images
            for batch, n_images in batches_of(network, data, batch_size)
        ]
    return sum(losses) / len(data)


def batches_of(network: nn.Module, data: Batches, batch_size: int) -> Iterator[tuple[Any, int]]:
    """Yield all images in order, as (batch on the network's device, number of images in it)."""
    for start in range(0, len(data), batch_size):
        indices = np.arange(start, min(start + batch_size, len(data)))
        yield _moved(data.batch(indices), _device_of(network)), len(indices)


def _update(
    network: Reconstruction,
    data: Batches,
    optimizer: torch.optim.Optimizer,
    settings: ReconstructionSettings,
    update: int,
) -> float:
    """Make one optimiser step.

    All random draws depend only on seed and update, so that a resumed training draws the same.
    """
    device = _device_of(network)
    rng = np.random.default_rng([settings.seed, update])
    indices = rng.choice(len(data), min(settings.batch_size, len(data)), replace=False)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    network.train()
    optimizer.zero_grad()
    loss = network.loss(_moved(data.batch(indices), device), generator)
    if not loss.isfinite():
        msg = f"The loss of update {update + 1} is not finite: set learning_rate below {settings.learning_rate:g}."
        raise InputError(msg)
    loss.backward()
    optimizer.step()
    return loss.item()


def _device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    return [tensor.to(device, non_blocking=True) for tensor in batch]
