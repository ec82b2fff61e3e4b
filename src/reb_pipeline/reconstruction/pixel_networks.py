"""Networks that reconstruct images from pixels: three autoencoders with different inputs of the decoder."""

from collections.abc import Callable

import torch
from torch import nn

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.reconstruction.pixel_losses import PIXEL_LOSSES
from reb_pipeline.reconstruction.training import Reconstruction

CHANNELS = (32, 64, 128)  # channels of the encoder's blocks; each block halves the side
FEWEST_SIDE, SIDE_STEP = 32, 2 ** len(CHANNELS)  # pixels
LEAK = 0.2  # slope of the LeakyReLU below 0
# Fewer channels before the latent vector, so that its layer does not outgrow all others.
SQUEEZED_CHANNELS = 16
# Standard deviation of a pixel in the variational autoencoder's decoder; pixels are in [0, 1].
DECODER_NOISE = 0.05


class PixelAutoencoder(Reconstruction):
    """Autoencoder: encoder, latent vector with ``side`` numbers, decoder.

    Blocks are those of Bergmann et al. (2018): 4 x 4 convolutions of stride 2, LeakyReLU, no normalisation. An image
    of 128 x 128 pixels has 49,152 values and passes through 128 numbers. Content that is not usual is lost there,
    unless the decoder gets it by skip connections.

    Args:
        side: Side of the images in pixels.
        loss: A key of :data:`reb_pipeline.reconstruction.pixel_losses.PIXEL_LOSSES`.
        latents: Outputs of the encoder per number of the latent vector.
        skips: True if each block of the decoder also gets the encoder's features of its size, as in a U-Net
            (Ronneberger et al., 2015).

    Raises:
        InputError: If the side cannot be halved often enough, or the loss is unknown.
    """

    def __init__(self, side: int, loss: str, *, latents: int = 1, skips: bool = False) -> None:
        super().__init__()
        check_known([loss], list(PIXEL_LOSSES), "Pixel loss")
        if side < FEWEST_SIDE or side % SIDE_STEP:
            msg = (
                f"Images of {side} pixels a side cannot be reconstructed, as the side is halved {len(CHANNELS)} "
                f"times: choose a multiple of {SIDE_STEP} from {FEWEST_SIDE} up."
            )
            raise InputError(msg)
        self._residuals = PIXEL_LOSSES[loss]
        self._skips = skips
        grid = (SQUEEZED_CHANNELS, side // SIDE_STEP, side // SIDE_STEP)
        numbers = SQUEEZED_CHANNELS * (side // SIDE_STEP) ** 2
        self.encoder = nn.ModuleList(map(_halve, (3, *CHANNELS), CHANNELS))
        self.to_latent = nn.Sequential(
            nn.Conv2d(CHANNELS[-1], SQUEEZED_CHANNELS, 1),
            nn.Flatten(),
            nn.Linear(numbers, latents * side),
        )
        self.from_latent = nn.Sequential(
            nn.Linear(side, numbers),
            nn.Unflatten(1, grid),
            nn.Conv2d(SQUEEZED_CHANNELS, CHANNELS[-1], 1),
            nn.LeakyReLU(LEAK),
        )
        inputs = [(1 + skips) * channels for channels in reversed(CHANNELS)]
        *hidden, last = map(_double, inputs, (*reversed(CHANNELS[:-1]), 3))
        self.decoder = nn.ModuleList(
            [*(nn.Sequential(b, nn.LeakyReLU(LEAK)) for b in hidden), last]
        )

    def forward(
        self, images: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruct images.

        Args:
            images: float32 [batch, 3, side, side] in [0, 1].
            generator: Random generator for the noise of a variational autoencoder; None for no noise.

        Returns:
            Reconstructions, same shape, in [0, 1]; and the penalty on the latent vectors in the loss, a scalar.
        """
        features = [images]
        for block in self.encoder:
            features.append(block(features[-1]))
        latent, penalty = self._draw_latent(self.to_latent(features[-1]), generator)
        decoded = self.from_latent(latent)
        for block, skipped in zip(self.decoder, reversed(features), strict=False):
            decoded = block(torch.cat([decoded, skipped], dim=1) if self._skips else decoded)
        return torch.sigmoid(decoded), penalty

    def loss(self, batch: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Compute the mean residual of a batch plus the penalty on its latent vectors.

        Args:
            batch: uint8 [batch, side, side, 3] RGB.
            generator: See :meth:`forward`.

        Returns:
            A scalar.
        """
        images = to_unit_range(batch)
        reconstructions, penalty = self(images, generator)
        return self._residuals(images, reconstructions).mean() + penalty

    def reconstruct(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruct images without noise.

        Args:
            batch: uint8 [batch, side, side, 3] RGB.

        Returns:
            Reconstructions, float32 [batch, side, side, 3] in [0, 1], and residuals, float32 [batch, side, side].
        """
        images = to_unit_range(batch)
        reconstructions, _ = self(images)
        return reconstructions.permute(0, 2, 3, 1), self._residuals(images, reconstructions)

    def _draw_latent(
        self, code: torch.Tensor, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the latent vectors and their penalty in the loss."""
        return code, code.new_zeros(())


class VariationalAutoencoder(PixelAutoencoder):
    """Autoencoder whose latent vectors are drawn from Gaussians near the standard one (Kingma and Welling, 2014).

    The loss is the mean residual plus 2 s² / n times the Kullback-Leibler divergence, summed over the latent vector.
    Here n is the number of values of an image and s = 0.05. With the loss ``l2`` this is, up to constants, the negative
    evidence lower bound of a decoder with Gaussian pixels of standard deviation s. Without noise the mean is decoded.

    Args:
        side: Side of the images in pixels.
        loss: See :class:`PixelAutoencoder`.
    """

    def __init__(self, side: int, loss: str) -> None:
        super().__init__(side, loss, latents=2)
        self._penalty_weight = 2 * DECODER_NOISE**2 / (3 * side**2)

    def _draw_latent(
        self, code: torch.Tensor, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_variance = code.chunk(2, dim=1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        penalty = self._penalty_weight * divergence.mean()
        if generator is None:
            return mean, penalty
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + torch.exp(0.5 * log_variance) * noise, penalty


def skip_autoencoder(side: int, loss: str) -> PixelAutoencoder:
    """Build an autoencoder with skip connections, through which fine structure bypasses the latent vector."""
    return PixelAutoencoder(side, loss, skips=True)


# Constructors (side in pixels, name of the loss) -> network.
PIXEL_MODELS: dict[str, Callable[[int, str], PixelAutoencoder]] = {
    "autoencoder": PixelAutoencoder,
    "variational_autoencoder": VariationalAutoencoder,
    "skip_autoencoder": skip_autoencoder,
}


def build_pixel_network(model: str, *, side: int, loss: str, seed: int) -> PixelAutoencoder:
    """Build a network with its initial weights.

    Args:
        model: A key of :data:`PIXEL_MODELS`.
        side: Side of the images in pixels.
        loss: See :class:`PixelAutoencoder`.
        seed: Seed of the weights.

    Raises:
        InputError: If model, side or loss cannot be used.
    """
    check_known([model], list(PIXEL_MODELS), "Pixel model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PIXEL_MODELS[model](side, loss)


def to_unit_range(batch: torch.Tensor) -> torch.Tensor:
    """Convert pixels uint8 [batch, height, width, 3] to float32 [batch, 3, height, width] in [0, 1]."""
    return batch.permute(0, 3, 1, 2).float().div_(255)


def _halve(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(LEAK))


def _double(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
