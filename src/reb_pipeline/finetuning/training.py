"""Training loop of the fine-tuning, and its validation."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from reb_pipeline.core.device import torch_device
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint, History, ResumableRun
from reb_pipeline.finetuning.network import ProxyNetwork
from reb_pipeline.finetuning.settings import TrainingSettings
from reb_pipeline.finetuning.task import SyntheticTask

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {}
VALIDATE_EVERY = 25  # updates; also after the last one
VALIDATION_BATCH = 32


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Held-out good images, and synthetic defects made from them.

    Attributes:
        images: uint8 [n, height, width, 3] RGB.
        labels: 0 for good, k for the kind k - 1; int64 [n].
    """

    images: np.ndarray
    labels: np.ndarray


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the softmax cross-entropy (REB paper section 3.1.2); logits [batch, classes], labels int64 [batch]."""
    return functional.cross_entropy(logits, labels)


def sigmoid(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the binary cross-entropy of each class (reference code ``SigCELoss``), mean over batch and classes."""
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, targets)


LOSSES.update(cross_entropy=cross_entropy, sigmoid=sigmoid)


def finetune(
    network: ProxyNetwork,
    task: SyntheticTask,
    validation: ValidationSet,
    settings: TrainingSettings,
    checkpoint: Checkpoint,
    *,
    origin: str,
    device: str = "auto",
    description: str | None = None,
) -> History:
    """Train the network on the proxy task, in place.

    An interrupted training resumes from its last checkpoint. On a CPU it ends with exactly the weights of an
    uninterrupted training.

    Args:
        network: The network, with its initial weights.
        task: Source of the images.
        validation: Held-out images for periodic validation; they do not influence the training.
        settings: Duration, learning rates and loss.
        checkpoint: Checkpoint to resume from and to write to.
        origin: Hash of the data and the initial weights. A checkpoint of another origin or other settings is ignored.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; None shows no bar.

    Returns:
        History: loss, accuracy (share of the batch) and learning rate of the head for each update, and the result of
        :func:`validate` for each validation.
    """
    processor = torch_device(device)
    network.to(processor).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        [{"params": network.head.parameters()}, {"params": network.backbone.parameters()}],
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    highest_rates = (settings.learning_rate, settings.backbone_learning_rate)
    precision = Precision(processor)
    stateful: dict[str, Any] = {
        "network": network,
        "optimizer": optimizer,
        "scaler": precision.scaler,
    }
    identity = {"origin": origin, "settings": asdict(settings)}
    run = ResumableRun(checkpoint, identity, stateful)
    done = len(run.history.updates)
    passes = task.passes(
        done * settings.images_per_update,
        settings.updates * settings.images_per_update,
        settings.images_per_pass,
    )
    steps = progress(range(done, settings.updates), description, settings.updates, done)
    for update in steps:
        network.train_backbone(update >= settings.freeze_updates)
        for group, highest in zip(optimizer.param_groups, highest_rates, strict=True):
            group["lr"] = settings.anneal(highest, update)
        batches = islice(passes, settings.passes_per_update)
        figures = _update(network, batches, optimizer, precision, settings, len(task.kinds))
        run.history.updates.append(
            {"update": update + 1, **figures, "learning_rate": optimizer.param_groups[0]["lr"]}
        )
        is_last = update + 1 == settings.updates
        if is_last or (update + 1) % VALIDATE_EVERY == 0:
            result = validate(network, validation, settings.loss)
            run.history.validations.append({"update": update + 1, **result})
        run.keep(is_last=is_last)
    return run.history


class Precision:
    """Half precision on devices that compute it faster: GPUs, and CPUs with bfloat16 instructions.

    Attributes:
        scaler: Gradient scaler that keeps float16 gradients from vanishing; inactive for bfloat16.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._dtype: torch.dtype | None = None
        if device.type == "cuda":
            self._dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        elif torch.cpu.get_capabilities().get("avx512_bf16"):
            self._dtype = torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._dtype == torch.float16)

    def autocast(self) -> torch.autocast:
        """Create the autocast context of forward passes."""
        enabled = self._dtype is not None
        return torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled)


def _update(
    network: ProxyNetwork,
    batches: Iterable[torch.Tensor],
    optimizer: torch.optim.Optimizer,
    precision: Precision,
    settings: TrainingSettings,
    n_kinds: int,
) -> dict[str, float]:
    """Make one optimiser step with the averaged gradients of several passes."""
    network.train()
    optimizer.zero_grad()
    loss_sum = 0.0
    right = seen = 0
    for batch in batches:
        images = batch.to(network.device, non_blocking=True)
        labels = torch.arange(1 + n_kinds, device=network.device).repeat(settings.images_per_pass)
        with precision.autocast():
            logits = network(images)
        loss = LOSSES[settings.loss](logits, labels)
        precision.scaler.scale(loss / settings.passes_per_update).backward()
        loss_sum += loss.item()
        right += int((logits.argmax(dim=1) == labels).sum())
        seen += len(labels)
    precision.scaler.step(optimizer)
    precision.scaler.update()
    return {"loss": loss_sum / settings.passes_per_update, "accuracy": right / seen}


def validate(network: ProxyNetwork, validation: ValidationSet, loss: str) -> dict[str, Any]:
    """Classify the held-out images in eval mode.

    Args:
        network: The network.
        validation: The images.
        loss: A key of :data:`LOSSES`.

    Returns:
        ``loss``, ``accuracy`` (share of correct images) and ``class_accuracy`` (the same for each label, by label).
    """
    network.eval()
    with torch.inference_mode():
        logits = torch.cat(
            [
                network(torch.from_numpy(batch).to(network.device)).cpu()
                for batch in np.array_split(
                    validation.images, -(-len(validation.images) // VALIDATION_BATCH)
                )
            ]
        )
    labels = torch.from_numpy(validation.labels)
    hits = (logits.argmax(dim=1) == labels).float()
    classes = [hits[labels == label].mean().item() for label in range(logits.shape[1])]
    return {
        "loss": LOSSES[loss](logits, labels).item(),
        "accuracy": hits.mean().item(),
        "class_accuracy": classes,
    }
