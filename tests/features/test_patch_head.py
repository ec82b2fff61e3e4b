"""Heads of the network for patch features."""

import pytest
import torch

from reb_pipeline.features.backbones import compares_directions
from reb_pipeline.features.network import patch_head


def test_only_the_direction_of_features_of_unit_length_counts():
    maps = [torch.randn(2, 6, 5, 5), torch.randn(2, 9, 5, 5)]
    lengths = [torch.rand(2, 1, 5, 5) + 0.1 for _ in maps]
    longer = [m * length for m, length in zip(maps, lengths, strict=True)]
    head = patch_head("paper", 1, unit_length=True)
    torch.testing.assert_close(head(longer), head(maps))
    as_they_are = patch_head("paper", 1, unit_length=False)
    assert not torch.allclose(as_they_are(longer), as_they_are(maps))


@pytest.mark.parametrize(
    ("backbone", "usual"),
    [
        ("efficientnet_lite0", False),
        ("resnet18", False),
        ("timm/resnet34", False),
        ("dinov2_vits14", True),
        ("timm/vit_small_patch16_224", True),
        ("timm/deit_tiny_patch16_224", True),
    ],
)
def test_transformers_compare_directions_and_the_user_decides(backbone, usual):
    assert compares_directions(backbone, None) is usual
    assert compares_directions(backbone, not usual) is not usual
