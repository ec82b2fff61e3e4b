import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.feature_decoder import FeatureDecoder
from tiny_finetuning import exact, snapshot

SHAPES = [(8, 8, 6), (4, 4, 10), (2, 2, 16)]


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


def random_levels(shapes, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, *shape, generator=generator) * 3 + 1 for shape in shapes]


sides = st.integers(1, 9)
shapes = st.lists(st.tuples(sides, sides, st.integers(1, 12)), min_size=1, max_size=3)


@given(shapes)
@hypothesis_settings(max_examples=25)
def test_any_grids_and_channels(shapes):
    decoder = FeatureDecoder(shapes, "squared")
    levels = random_levels(shapes)
    found = decoder.residuals(levels)
    assert [tuple(r.shape) for r in found] == [(2, *shape[:2]) for shape in shapes]
    decoder.loss(levels, None).backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize("loss", ["squared", "cosine"])
def test_residuals_compare_scaled_features(loss):
    decoder = FeatureDecoder(SHAPES, loss).eval()
    levels = random_levels(SHAPES, n=3)
    statistics = [(m.flatten(0, 2).mean(0), m.flatten(0, 2).std(0)) for m in levels]
    decoder.scale_by(statistics)
    scaled = [m / std for m, (_, std) in zip(levels, statistics, strict=True)]
    with torch.inference_mode():
        found = decoder.residuals([level.half().float() for level in levels])
        drawn = decoder(scaled[-1].permute(0, 3, 1, 2))
        total = decoder.loss(levels, None).item()
    for residual, one, other in zip(found, drawn, scaled, strict=True):
        a, b = one.permute(0, 2, 3, 1).numpy(), other.numpy()
        if loss == "squared":
            expected = ((a - b) ** 2).mean(axis=3)
        else:
            lengths = np.linalg.norm(a, axis=3) * np.linalg.norm(b, axis=3)
            expected = 1 - (a * b).sum(axis=3) / lengths
        np.testing.assert_allclose(residual.numpy(), expected, rtol=0.02, atol=0.01)
    assert total == pytest.approx(sum(r.mean().item() for r in found), rel=1e-2)


def test_silent_channels_do_not_drown_the_others():
    decoder = FeatureDecoder([(2, 2, 3)], "squared")
    decoder.scale_by([(torch.zeros(3), torch.tensor([0.0, 2.0, 4.0]))])
    torch.testing.assert_close(decoder.get_buffer("std_0"), torch.tensor([0.2, 2.0, 4.0]))
    decoder.scale_by([(torch.zeros(3), torch.zeros(3))])  # images all alike
    torch.testing.assert_close(decoder.get_buffer("std_0"), torch.ones(3))


def test_an_untrained_head_draws_the_mean_feature():
    """So that training begins at a good feature, and only what differs from it must be learned."""
    decoder = FeatureDecoder(SHAPES, "squared").eval()
    statistics = [(torch.arange(c) + 1.0, torch.linspace(1, 2, c)) for _, _, c in SHAPES]
    decoder.scale_by(statistics)
    for head in decoder.heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    mean = [m.expand(2, h, w, -1) for (m, _), (h, w, _) in zip(statistics, SHAPES, strict=True)]
    for residual in decoder.residuals(mean):
        assert residual.abs().max() < 1e-10


def test_the_bottleneck_is_a_sixteenth_of_the_deepest_level():
    decoder = FeatureDecoder(SHAPES, "cosine")
    (deepest,) = random_levels([(8, 8, 16)], n=1)
    assert decoder.eval().bottleneck(deepest.permute(0, 3, 1, 2)).numel() * 16 == deepest.numel()


def test_the_seed_decides_the_first_weights_and_nothing_else():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (snapshot(FeatureDecoder(SHAPES, "cosine", seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert one == same
    assert one != other


def test_unknown_losses_are_refused():
    with pytest.raises(InputError, match="Loss 'cosinus' is unknown: did you mean 'cosine'"):
        FeatureDecoder(SHAPES, "cosinus")
