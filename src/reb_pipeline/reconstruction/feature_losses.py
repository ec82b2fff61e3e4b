"""Residuals between the features of an encoder and their reconstruction.

By the abstract of arXiv 2405.09148 the residual maps of the levels are both the loss and the anomaly map. It does not
name the distance. Two are common: the squared difference, which depends on the strength of a feature, and the cosine
distance, which depends only on its direction and so is robust to contrast.
"""

from collections.abc import Callable

import torch
from torch.nn import functional


def squared(reconstructed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Compute the squared difference, mean over channels, of two [batch, channels, h, w]: [batch, h, w]."""
    return (reconstructed - features).square().mean(dim=1)


def cosine(reconstructed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Compute 1 - cosine similarity along channels of two [batch, channels, h, w]: [batch, h, w]."""
    return 1 - functional.cosine_similarity(reconstructed, features, dim=1)


FEATURE_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "squared": squared,
    "cosine": cosine,
}
