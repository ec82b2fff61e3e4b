"""How a backbone is fine-tuned."""

import math
from dataclasses import dataclass

# The cosine of the reference is 10 % longer than its run, so that the rate never reaches its end.
SCHEDULE_LENGTH = 1.1
MIN_LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class FinetuneSettings:
    """Everything that decides the fine-tuned weights, data and initial weights apart.

    The reference code's values: 300 updates of 3 passes of 48 good images and their 6 defects each, learning rate
    0.03, momentum 0.9, weight decay 3e-5, 39 updates of the head alone (``param_space.py``, ``module.py``).

    Attributes:
        updates: Optimiser steps.
        images_per_pass: Good images a forward pass; each brings one synthetic defect of every kind.
        passes_per_update: Forward passes whose gradients are averaged for one step.
        learning_rate: Of the head at the first update; falls as a cosine.
        backbone_learning_rate: Of the backbone, likewise; the reference's is the head's.
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
