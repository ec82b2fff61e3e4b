"""Settings of the fine-tuning of a backbone; light to import."""

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from reb_pipeline.core.settings import Settings

# The cosine of the reference is 10 % longer than its run, so that the rate never reaches its end.
SCHEDULE_LENGTH = 1.1
MIN_LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides the fine-tuned weights, data and initial weights apart; the settings of one training.

    The order of the fields is that of the JSON kept with the weights, see :attr:`SSLFinetuneSettings.training`.

    Attributes:
        updates: Optimiser steps.
        images_per_pass: Good images a forward pass; each brings one synthetic defect of every kind.
        passes_per_update: Forward passes whose gradients are averaged for one step.
        learning_rate: Of the head at the first update; falls as a cosine.
        backbone_learning_rate: Of the backbone at the first update; falls as a cosine; the reference's is the head's.
        freeze_updates: Updates at the beginning that train the head alone.
        loss: A key of :data:`reb_pipeline.finetuning.training.LOSSES`.
        momentum: Of SGD.
        weight_decay: Of SGD.
        frozen_depth: Share of the backbone's weight layers, from the input, that never train.
        freeze_batch_norm: Whether batch norms keep their ImageNet statistics and factors.
        seed: Of the head's first weights, the order of images, augmentations and defects.
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
        """Good images an update."""
        return self.images_per_pass * self.passes_per_update

    def anneal(self, learning_rate: float, update: int) -> float:
        """Cosine schedule of the reference code (``Frame/optim.py``): T_0 = 330 for 300 updates.

        Args:
            learning_rate: Of the first update.
            update: Number of the update, from 0.

        Returns:
            Learning rate of that update.
        """
        share = update / (SCHEDULE_LENGTH * self.updates)
        swing = learning_rate - MIN_LEARNING_RATE
        return MIN_LEARNING_RATE + swing * (1 + math.cos(math.pi * share)) / 2


class FinetuneBudget(Settings):
    """Length, batches, learning rates and image size of a fine-tuning; see :class:`TrainingSettings`."""

    updates: int = Field(ge=1)
    image_size: int = Field(ge=32)  # side of the training images in pixels
    images_per_pass: int = Field(ge=1)
    passes_per_update: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    backbone_learning_rate: float = Field(gt=0)
    freeze_updates: int = Field(ge=0)
    frozen_depth: float = Field(ge=0, le=1)
    freeze_batch_norm: bool


# The reference code's values (``param_space.py``, ``module.py``): 300 updates of 3 passes of 48 good images and their
# 6 defects each, 39 updates of the head alone.
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
    """Settings of the fine-tuning of a category's backbone; momentum and weight decay are the reference code's."""

    enabled: bool = True
    budget: Literal["paper", "small", "demo"] = "demo"
    paper: FinetuneBudget = PAPER
    small: FinetuneBudget = SMALL
    demo: FinetuneBudget = DEMO
    loss: Literal["cross_entropy", "sigmoid"] = "cross_entropy"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-5, ge=0)
    seed: int = Field(default=0, ge=0)

    @property
    def chosen(self) -> FinetuneBudget:
        """The budget that ``budget`` names."""
        chosen: FinetuneBudget = getattr(self, self.budget)
        return chosen

    @property
    def training(self) -> TrainingSettings:
        """Settings of the training by the chosen budget."""
        shared = self.model_dump(include={"loss", "momentum", "weight_decay", "seed"})
        return TrainingSettings(**shared, **self.chosen.model_dump(exclude={"image_size"}))
