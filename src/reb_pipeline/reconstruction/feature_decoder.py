"""Decoder that reconstructs the features of all levels of an encoder from its deepest level."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from reb_pipeline.core.errors import check_known
from reb_pipeline.reconstruction.feature_losses import FEATURE_LOSSES
from reb_pipeline.reconstruction.stored_levels import Shape
from reb_pipeline.reconstruction.training import Reconstruction

WIDTH = 128  # largest number of channels of a block: wide backbones stay affordable on a CPU
SQUEEZE = 4  # channels of the deepest level per channel of the bottleneck
# Share of a level's mean standard deviation: a channel that is constant on good images must not dominate.
SMALLEST_STD = 0.1


class FeatureDecoder(Reconstruction):
    """Decoder that reconstructs the features of all levels from the deepest level.

    This much is in the abstract of arXiv 2405.09148; the following design is our own.

    The deepest level is input and target at once. A decoder that sees all of it would learn to copy it, with its
    defects. So it first passes a bottleneck: a convolution of stride 2 to a quarter of the channels, that is, to a
    sixteenth of the numbers. Then each level, deepest first, has an upsampling to its grid and a block (convolution 3 x
    3, batch norm, ReLU). A convolution 1 x 1 maps the block to the channels of the level.

    Each channel is divided by its standard deviation over the good images. So squared residuals of all channels and
    levels have the same unit, and no channel dominates the cosines. The decoder gets and predicts differences from the
    mean feature, but residuals compare whole features: around the mean, directions are noise.

    Args:
        shapes: (height, width, channels) of every level, finest first.
        loss: A key of :data:`reb_pipeline.reconstruction.feature_losses.FEATURE_LOSSES`.
        seed: Seed of the initial weights.

    Attributes:
        usual: Mean residual of every level on good images, float32 [levels]; 1 until it is set.

    Raises:
        InputError: If the loss is unknown.
    """

    usual: torch.Tensor

    def __init__(self, shapes: Sequence[Shape], loss: str, seed: int = 0) -> None:
        super().__init__()
        check_known([loss], list(FEATURE_LOSSES), "Loss")
        self._residual = FEATURE_LOSSES[loss]
        self._sizes = [(height, width) for height, width, _ in shapes]
        channels = [count for _, _, count in shapes]
        narrow = -(-channels[-1] // SQUEEZE)
        widths = [min(WIDTH, count) for count in channels] + [narrow]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bottleneck = _block(channels[-1], narrow, stride=2)
            self.blocks = nn.ModuleList(_block(deep, own) for own, deep in pairwise(widths))
            self.heads = nn.ModuleList(
                nn.Conv2d(own, count, 1) for own, count in zip(widths, channels, strict=False)
            )
        for level, count in enumerate(channels):
            self.register_buffer(f"mean_{level}", torch.zeros(count))
            self.register_buffer(f"std_{level}", torch.ones(count))
        self.register_buffer("usual", torch.ones(len(shapes)))

    def scale_by(self, statistics: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Set the scale of the features.

        Args:
            statistics: Mean and standard deviation of the channels of every level, [channels] each.
        """
        for level, (mean, std) in enumerate(statistics):
            smallest = SMALLEST_STD * std.mean() or torch.ones(())  # identical images have no scale
            scale = self.get_buffer(f"std_{level}").copy_(std.maximum(smallest))
            self.get_buffer(f"mean_{level}").copy_(mean / scale)

    def forward(self, deepest: torch.Tensor) -> list[torch.Tensor]:
        """Reconstruct the features of all levels.

        Args:
            deepest: Scaled features of the deepest level, float32 [batch, channels, h, w].

        Returns:
            Scaled features of every level, finest first.
        """
        x = self.bottleneck(deepest - self._mean(-1))
        found = []
        for level in reversed(range(len(self._sizes))):
            x = functional.interpolate(x, self._sizes[level], mode="bilinear", align_corners=False)
            x = self.blocks[level](x)
            found.append(self.heads[level](x) + self._mean(level))
        return found[::-1]

    def residuals(self, levels: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Measure the residuals between features and their reconstruction.

        Args:
            levels: [batch, h, w, channels] of every level, finest first, as given by the encoder.

        Returns:
            float32 [batch, h, w] of every level, not yet divided by :attr:`usual`.
        """
        features = [self._scaled(level, index) for index, level in enumerate(levels)]
        pairs = zip(self(features[-1]), features, strict=True)
        return [self._residual(reconstructed, wanted) for reconstructed, wanted in pairs]

    def loss(
        self, batch: Sequence[torch.Tensor], generator: torch.Generator | None
    ) -> torch.Tensor:
        """Compute the mean residual of every level, summed over levels; see :class:`Reconstruction`."""
        return torch.stack([residual.mean() for residual in self.residuals(batch)]).sum()

    def _scaled(self, level: torch.Tensor, index: int) -> torch.Tensor:
        return (level.float() / self.get_buffer(f"std_{index}")).permute(0, 3, 1, 2)

    def _mean(self, level: int) -> torch.Tensor:
        """Get the mean of the scaled features, [channels, 1, 1]."""
        return self.get_buffer(f"mean_{level % len(self._sizes)}")[:, None, None]


def _block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
