"""Residuals between the features of an encoder and their reconstruction.

The abstract of arXiv 2405.09148 says that residual maps of the levels are both the loss and the anomaly map, not which
distance they hold. Two are usual: the squared difference, which sees how strong a feature is, and the cosine, which
sees its direction alone and so does not mind contrast.
"""

from collections.abc import Callable

import torch
from torch.nn import functional


def squared(reconstructed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Mean over channels of the squared difference, [batch, h, w], of two [batch, channels, h, w]."""
    return (reconstructed - features).square().mean(dim=1)


def cosine(reconstructed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """1 - cosine similarity along channels, [batch, h, w], of two [batch, channels, h, w]."""
    return 1 - functional.cosine_similarity(reconstructed, features, dim=1)


FEATURE_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "squared": squared,
    "cosine": cosine,
}
