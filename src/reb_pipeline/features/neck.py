"""From feature maps of several layers to one feature a patch.

``paper_neck`` is the text of the REB paper (section 3.2); ``reference_neck`` is what its reference code does,
PatchCore's neck (ADModels/ad_neck.py). Both are linear in the feature maps.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

NECKS: dict[str, Callable[[Sequence[torch.Tensor], int], torch.Tensor]] = {}
PATCH = 3  # side of the neighbourhood pooled around every position


def paper_neck(maps: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """Average 3x3 neighbourhoods, upsample bilinearly to the finest map, concatenate channels.

    Args:
        maps: float32 [batch, channels_l, h_l, w_l], finest first.
        width: Unused; the width is the sum of the channels.

    Returns:
        float32 [batch, sum of channels_l, h_0, w_0].
    """
    pooled = [functional.avg_pool2d(m, PATCH, stride=1, padding=PATCH // 2) for m in maps]
    return torch.cat([_upsample(m, pooled[0].shape[-2:]) for m in pooled], dim=1)


def reference_neck(maps: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """Flatten 3x3 neighbourhoods and pool them to ``width``; concatenate the layers and pool to ``width`` again.

    The reference upsamples the flattened neighbourhoods and pools afterwards; both steps are linear along
    different axes, so pooling first gives the same features with far less work.

    Args:
        maps: float32 [batch, channels_l, h_l, w_l], finest first.
        width: Feature width (512 or 1024 in the reference code).

    Returns:
        float32 [batch, width, h_0, w_0].
    """
    size = maps[0].shape[-2:]
    levels = []
    for m in maps:
        batch, _, h, w = m.shape
        neighbourhoods = functional.unfold(
            m, PATCH, padding=PATCH // 2
        )  # [batch, channels * 9, h * w]
        level = functional.adaptive_avg_pool1d(neighbourhoods.transpose(1, 2), width)
        levels.append(_upsample(level.transpose(1, 2).reshape(batch, width, h, w), size))
    stacked = torch.cat(levels, dim=1).flatten(2).transpose(1, 2)  # [batch, h * w, layers * width]
    fused = functional.adaptive_avg_pool1d(stacked, width)
    return fused.transpose(1, 2).reshape(fused.shape[0], width, *size)


def _upsample(m: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    if m.shape[-2:] == tuple(size):
        return m
    return functional.interpolate(m, size=tuple(size), mode="bilinear", align_corners=False)


NECKS.update(paper=paper_neck, reference=reference_neck)
