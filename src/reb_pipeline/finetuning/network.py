"""Network of the proxy task: the backbone with a classification head."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.features.backbones import Backbone

HEAD_WIDTHS = (512, 256)  # widths of DenseHead in the reference code (ADModels/ad_head.py)


class ProxyNetwork(nn.Module):
    """Normalisation, backbone, global average pooling and an MLP head.

    Args:
        backbone: A backbone with one tapped layer, the input of the head.
        n_classes: 1 + number of kinds of synthetic defects.
        image_size: Side, or height and width, of the images in pixels.
        freeze_batch_norm: True if batch norms keep their statistics and factors.
        frozen_depth: Share of the backbone's weight layers, counted from the input, that never train.
        seed: Seed of the head's initial weights.
    """

    mean: torch.Tensor
    std: torch.Tensor
    _frozen: list[nn.Module]

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        *,
        image_size: Size,
        freeze_batch_norm: bool,
        frozen_depth: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            channels = backbone(torch.zeros(1, 3, *shape_of(image_size)))[0].shape[1]
            self.head = _head(channels, n_classes)
        layers = [
            m for m in backbone.modules() if next(m.parameters(recurse=False), None) is not None
        ]
        self._frozen = layers[: round(frozen_depth * len(layers))]
        norms = [m for m in layers if isinstance(m, _BatchNorm)]
        self._frozen += [norm for norm in norms if freeze_batch_norm or is_folded(norm)]
        self._backbone_trains = False

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.mean.device

    def train_backbone(self, trains: bool) -> None:
        """Enable or disable training of the backbone; its frozen layers never train.

        A backbone that does not train stays in eval mode.
        """
        self._backbone_trains = trains
        self.backbone.requires_grad_(trains)
        for layer in self._frozen:
            for parameter in layer.parameters(recurse=False):  # nested layers are listed separately
                parameter.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "ProxyNetwork":
        """Set the mode of the parts that train; the others stay in eval mode."""
        super().train(mode)
        self.backbone.train(mode and self._backbone_trains)
        for layer in self._frozen:
            layer.training = False
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify images.

        Args:
            images: uint8 [batch, height, width, 3] RGB.

        Returns:
            float32 [batch, classes], logits.
        """
        batch = images.permute(0, 3, 1, 2).float().div_(255)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._backbone_trains):
            (feature_map,) = self.backbone((batch - self.mean) / self.std)
        return self.head(feature_map.mean(dim=(2, 3))).float()


def is_folded(norm: _BatchNorm) -> bool:
    """Check for a batch norm that only adds a bias.

    The statistics and the scale of such a batch norm are folded into the convolution before it.
    """
    if norm.running_mean is None or norm.running_var is None or not norm.affine:
        return False
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return bool((norm.running_mean == 0).all() and torch.allclose(scale, torch.ones_like(scale)))


def _head(channels: int, n_classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in HEAD_WIDTHS:
        layers += [nn.Linear(channels, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, n_classes))
