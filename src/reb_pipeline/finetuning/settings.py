"""Settings of the fine-tuning of a backbone; imports no heavy package."""

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from reb_pipeline.core.settings import Seed, Settings
from reb_pipeline.core.sizes import Size, in_aspect

# The cosine schedule of the reference code is 10 % longer than its training: the rate never reaches the minimum.
SCHEDULE_LENGTH = 1.1
MIN_LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training. With the data and the initial weights they determine the fine-tuned weights.

    The order of the fields is that of the JSON stored with the weights, see :attr:`SSLFinetuneSettings.training`.

    Attributes:
        updates: Optimiser steps.
        images_per_pass: Good images in a forward pass; each comes with one synthetic defect of every kind.
        passes_per_update: Forward passes whose gradients are averaged for one step.
        learning_rate: Learning rate of the head at the first update; decays as a cosine.
        backbone_learning_rate: Learning rate of the backbone at the first update; decays as a cosine. In the reference
            code it equals that of the head.
        freeze_updates: Updates at the beginning that train only the head.
        loss: A key of :data:`reb_pipeline.finetuning.training.LOSSES`.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
        frozen_depth: Share of the backbone's weight layers, counted from the input, that never train.
        freeze_batch_norm: True if batch norms keep their ImageNet statistics and factors.
        seed: Seed of the head's initial weights, the order of images, augmentations and defects.
    """

    updates: int
    images_per_pass: int
    passes_per_update: int
    learning_rate: float
    backbone_learning_rate: float
    freeze_updates: int
    loss: str
    momentum: float
    weight_decay: float
    frozen_depth: float
    freeze_batch_norm: bool
    seed: int

    @property
    def images_per_update(self) -> int:
        """Number of good images in an update."""
        return self.images_per_pass * self.passes_per_update

    def anneal(self, learning_rate: float, update: int) -> float:
        """Compute the learning rate of an update by the cosine schedule of the reference code.

        The schedule (``Frame/optim.py``) has T_0 = 330 for 300 updates.

        Args:
            learning_rate: Learning rate of the first update.
            update: Number of the update, counted from 0.

        Returns:
            Learning rate of that update.
        """
        share = update / (SCHEDULE_LENGTH * self.updates)
        swing = learning_rate - MIN_LEARNING_RATE
        return MIN_LEARNING_RATE + swing * (1 + math.cos(math.pi * share)) / 2


class FinetuneBudget(Settings):
    """Length, batches, learning rates and image size of a fine-tuning; see :class:`TrainingSettings`."""

    updates: int = Field(ge=1, le=1_000_000)
    # Side in pixels of the training images, of square ones.
    image_size: int = Field(ge=32, le=4096)
    images_per_pass: int = Field(ge=1, le=4096)
    passes_per_update: int = Field(ge=1, le=4096)
    learning_rate: float = Field(gt=0, le=100)
    backbone_learning_rate: float = Field(gt=0, le=100)
    freeze_updates: int = Field(ge=0, le=1_000_000)
    frozen_depth: float = Field(ge=0, le=1)
    freeze_batch_norm: bool

    def size_of_images(self, image_size: Size) -> int | list[int]:
        """Size of the training images: as many pixels as the square has, with the aspect of the extraction.

        Args:
            image_size: Side, or height and width, that images are resized to for the extraction.

        Example:
            >>> DEMO.size_of_images(256), DEMO.size_of_images([192, 480])
            (128, [80, 208])
        """
        return in_aspect(image_size, self.image_size)


# Values of the reference code (``param_space.py``, ``module.py``): 300 updates of 3 passes; a pass has 48 good images
# with 6 defects each; the first 39 updates train only the head.
PAPER = FinetuneBudget(
    updates=300,
    image_size=256,
    images_per_pass=48,
    passes_per_update=3,
    learning_rate=0.03,
    backbone_learning_rate=0.03,
    freeze_updates=39,
    frozen_depth=0.0,
    freeze_batch_norm=False,
)
SMALL = FinetuneBudget(  # minutes on a laptop
    updates=120,
    image_size=128,
    images_per_pass=8,
    passes_per_update=1,
    learning_rate=0.03,
    backbone_learning_rate=0.003,
    freeze_updates=60,
    frozen_depth=0.33,
    freeze_batch_norm=True,
)
DEMO = SMALL.model_copy(update={"updates": 40, "images_per_pass": 4, "freeze_updates": 20})


class SSLFinetuneSettings(Settings):
    """Settings of the fine-tuning of the backbone of a category.

    Momentum and weight decay default to the values of the reference code.
    """

    enabled: bool = True
    budget: Literal["paper", "small", "demo"] = "demo"
    paper: FinetuneBudget = PAPER
    small: FinetuneBudget = SMALL
    demo: FinetuneBudget = DEMO
    loss: Literal["cross_entropy", "sigmoid"] = "cross_entropy"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-5, ge=0, le=100)
    seed: Seed = 0

    @property
    def chosen(self) -> FinetuneBudget:
        """The budget selected by ``budget``."""
        chosen: FinetuneBudget = getattr(self, self.budget)
        return chosen

    @property
    def training(self) -> TrainingSettings:
        """Settings of the training with the selected budget."""
        shared = self.model_dump(include={"loss", "momentum", "weight_decay", "seed"})
        return TrainingSettings(**shared, **self.chosen.model_dump(exclude={"image_size"}))
