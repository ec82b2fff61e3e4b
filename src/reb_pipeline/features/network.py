"""Network from pixels to features: normalisation, backbone, and a head for the feature maps."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from reb_pipeline.features.backbones import Backbone
from reb_pipeline.features.neck import NECKS

Head = Callable[[Sequence[torch.Tensor]], torch.Tensor]


class PixelNetwork(nn.Module):
    """Network that normalises pixels for its backbone, runs the backbone and applies a head.

    Args:
        backbone: The backbone.
        head: Function of the tapped feature maps.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self._head = head
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", mean / std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the network.

        Args:
            pixels: uint8 [batch, height, width, 3] RGB.

        Returns:
            Result of the head, float32 [batch, …].
        """
        # Channels stay last in memory, because convolutions are fastest so.
        return self._head(
            self.backbone(pixels.permute(0, 3, 1, 2).float() * self.scale - self.shift)
        )


def patch_head(neck: str, width: int, *, unit_length: bool) -> Head:
    """Build the head for patch features, float32 [batch, h, w, channels].

    Args:
        neck: A key of :data:`reb_pipeline.features.neck.NECKS`.
        width: Width of the reference neck.
        unit_length: True if the neck gets each feature map scaled to length 1 at every position.
    """

    def head(maps: Sequence[torch.Tensor]) -> torch.Tensor:
        if unit_length:
            maps = [functional.normalize(m, dim=1) for m in maps]
        return NECKS[neck](maps, width).permute(0, 2, 3, 1)

    return head


def pooled_head(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Average the only feature map over all positions, float32 [batch, 1, 1, channels]."""
    (deepest,) = maps
    return deepest.mean(dim=(2, 3))[:, None, None]
