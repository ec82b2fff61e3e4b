import pytest
import torch
from torch.distributions import Normal, kl_divergence

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.pixel_losses import PIXEL_LOSSES
from reb_pipeline.reconstruction.pixel_networks import (
    DECODER_NOISE,
    PIXEL_MODELS,
    build_pixel_network,
    to_unit_range,
)


def build(model, side=32, loss="l2", seed=0):
    return build_pixel_network(model, side=side, loss=loss, seed=seed)


def make_batch(side=32, count=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("model", PIXEL_MODELS)
@pytest.mark.parametrize("side", [32, 40, 64])
def test_images_come_back_in_their_size_and_range(model, side):
    reconstructions, residuals = build(model, side).reconstruct(make_batch(side))
    assert reconstructions.shape == (2, side, side, 3)
    assert residuals.shape == (2, side, side)
    assert 0 <= reconstructions.min() < reconstructions.max() <= 1


@pytest.mark.parametrize("model", PIXEL_MODELS)
@pytest.mark.parametrize("loss", PIXEL_LOSSES)
def test_loss_is_the_mean_residual_and_learns_everywhere(model, loss):
    network, batch = build(model, loss=loss), make_batch()
    value = network.loss(batch, None)
    reconstructions, residuals = network.reconstruct(batch)
    wanted = PIXEL_LOSSES[loss](to_unit_range(batch), reconstructions.permute(0, 3, 1, 2))
    assert torch.allclose(residuals, wanted)
    _, penalty = network(to_unit_range(batch))
    assert value.item() == pytest.approx((wanted.mean() + penalty).item())
    assert (penalty > 0) == (model == "variational_autoencoder")
    value.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("model", PIXEL_MODELS)
def test_only_skip_connections_pass_the_latent_vector_by(model):
    network = build(model)
    seen = []

    def cut(module, inputs):
        seen.append(inputs[0].shape)
        return (torch.zeros_like(inputs[0]),)

    network.from_latent.register_forward_pre_hook(cut)
    first, second = network.reconstruct(make_batch())[0]
    assert torch.equal(first, second) == (model != "skip_autoencoder")
    assert seen == [(2, 32)]


def test_only_a_variational_autoencoder_draws_and_only_with_a_generator():
    images = to_unit_range(make_batch())
    for model in PIXEL_MODELS:
        network = build(model)

        def drawn(seed, network=network):
            generator = None if seed is None else torch.Generator().manual_seed(seed)
            return network(images, generator)[0]

        assert torch.equal(drawn(3), drawn(3))
        assert torch.equal(drawn(None), drawn(None))
        varies = model == "variational_autoencoder"
        assert torch.equal(drawn(3), drawn(4)) != varies
        assert torch.equal(drawn(3), drawn(None)) != varies


def test_latent_vectors_are_drawn_from_their_gaussians_and_pay_their_divergence():
    network = build("variational_autoencoder")
    code = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    mean, log_variance = code[:, :32], code[:, 32:]
    gaussians = Normal(mean, log_variance.exp().sqrt())
    divergence = kl_divergence(gaussians, Normal(0.0, 1.0)).sum(dim=1).mean()
    latent, penalty = network._draw_latent(code, torch.Generator().manual_seed(7))
    noise = torch.randn(5, 32, generator=torch.Generator().manual_seed(7))
    assert torch.allclose(latent, mean + gaussians.stddev * noise)
    assert penalty.item() == pytest.approx(2 * DECODER_NOISE**2 * divergence.item() / (3 * 32 * 32))
    assert torch.equal(network._draw_latent(code, None)[0], mean)


def test_a_seed_decides_the_first_weights_and_nothing_else():
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    states = [build("autoencoder", seed=seed).state_dict() for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(1), wanted)
    name = "decoder.0.0.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


@pytest.mark.parametrize("side", [24, 100, 36])
def test_a_side_that_cannot_be_halved_is_refused(side):
    with pytest.raises(
        InputError, match=f"Images of {side} pixels a side .* a multiple of 8 from 32 up"
    ):
        build("autoencoder", side)


def test_unknown_names_are_refused():
    with pytest.raises(
        InputError, match="Pixel model 'autoencodr' is unknown: did you mean 'autoencoder'"
    ):
        build("autoencodr")
    with pytest.raises(InputError, match="Pixel loss 'l1' is unknown: known are l2, ssim"):
        build("autoencoder", loss="l1")
