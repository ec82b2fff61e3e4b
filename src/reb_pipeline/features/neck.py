"""Necks: one feature per patch from the feature maps of several layers.

``paper_neck`` follows the text of the REB paper (section 3.2). ``reference_neck`` follows its reference code, which
uses PatchCore's neck (ADModels/ad_neck.py). ``combined_neck`` joins the two. All are linear in the feature maps.
"""

from collections.abc import Callable, Sequence
from math import gcd

import torch
from torch.nn import functional

NECKS: dict[str, Callable[[Sequence[torch.Tensor], int], torch.Tensor]] = {}
PATCH = 3  # side of the neighbourhood that is pooled around every position


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

    The reference code upsamples the flattened neighbourhoods before it pools them. Both steps are linear, along
    different axes. So pooling first gives the same features with far less work, as one convolution.

    Args:
        maps: float32 [batch, channels_l, h_l, w_l], finest first.
        width: Feature width (512 or 1024 in the reference code).

    Returns:
        float32 [batch, width, h_0, w_0].
    """
    size = maps[0].shape[-2:]
    levels = [_upsample(_pooled_neighbourhoods(m, width), size) for m in maps]
    return torch.cat(levels, dim=1).unflatten(1, (width, len(maps))).mean(dim=2)


def combined_neck(maps: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """Concatenate the features of the reference neck, at half its width, and those of the paper's.

    The paper's neck averages a neighbourhood, the reference neck keeps its spatial detail. Each misses defects that the
    other sees. Their variances are alike, so that none of them decides the distances alone.

    Args:
        maps: float32 [batch, channels_l, h_l, w_l], finest first.
        width: Width of the whole reference neck.

    Returns:
        float32 [batch, width / 2 + sum of channels_l, h_0, w_0].
    """
    return torch.cat([reference_neck(maps, max(width // 2, 1)), paper_neck(maps, width)], dim=1)


def _pooled_neighbourhoods(m: torch.Tensor, width: int) -> torch.Tensor:
    """Flatten 3x3 neighbourhoods and pool them to ``width``, as one convolution.

    At every common divisor of the channels and ``width``, borders of the pooling bins are borders of channels. These
    borders define the groups of the convolution.
    """
    groups = gcd(m.shape[1], width)
    channels, outputs = m.shape[1] // groups, width // groups
    entries = torch.arange(channels * PATCH**2, device=m.device)
    unit = (entries[:, None] == entries).float()  # OpenVINO cannot convert torch.eye
    weight = functional.adaptive_avg_pool1d(unit, outputs).T.reshape(
        outputs, channels, PATCH, PATCH
    )
    weight = weight.repeat(groups, 1, 1, 1)
    return functional.conv2d(m, weight, padding=PATCH // 2, groups=groups)


def _upsample(m: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    if m.shape[-2:] == tuple(size):
        return m
    return functional.interpolate(m, size=tuple(size), mode="bilinear", align_corners=False)


NECKS.update(paper=paper_neck, reference=reference_neck, combined=combined_neck)
