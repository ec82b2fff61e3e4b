"""What a network trained on good images cannot reconstruct is anomalous: features (arXiv 2405.09148), or pixels."""

from collections.abc import Sequence

from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import NoCheckpoint
from reb_pipeline.detectors.interface import (
    Detection,
    FeatureSource,
    held_out_tenth,
    patch_detection,
)
from reb_pipeline.reconstruction.features import FeatureReconstructor, train_feature_decoder
from reb_pipeline.reconstruction.pixels import PixelReconstructor, train_pixel_model
from reb_pipeline.reconstruction.residual_maps import measure_residuals
from reb_pipeline.reconstruction.training import ReconstructionSettings


class FeatureReconstructionDetector:
    """Hierarchical feature reconstruction: a decoder draws the encoder's levels from the deepest.

    It learns from all good images but a tenth, which tells the usual residual of every level.

    Args:
        feature_loss: A key of :data:`reb_pipeline.reconstruction.feature_losses.FEATURE_LOSSES`.
        fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`.
        layers: The levels, finest first; the backbone's usual three if None.
        updates: See :class:`reb_pipeline.reconstruction.training.ReconstructionSettings`.
        batch_size: Likewise.
        learning_rate: Likewise.
        seed: Likewise.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; none without it.
    """

    def __init__(
        self,
        *,
        feature_loss: str = "cosine",
        fusion: str = "product",
        image_score: str = "block_max",
        layers: Sequence[str | int] | None = None,
        updates: int = 400,
        batch_size: int = 16,
        learning_rate: float = 0.004,
        seed: int = 0,
        device: str = "auto",
        description: str | None = None,
    ) -> None:
        self._loss = feature_loss
        self._fusion = fusion
        self._image_score = image_score
        self._layers = layers
        self._settings = ReconstructionSettings(updates, batch_size, learning_rate, seed)
        self._device = device
        self._description = description

    @property
    def nbytes(self) -> int:
        """Of the decoder."""
        return _bytes_of(self._decoder)

    def fit(self, good: FeatureSource) -> None:
        """Train the decoder.

        Raises:
            InputError: If there are too few images, or the loss is unknown.
        """
        self.fit_on(*held_out_tenth(good))

    def fit_on(self, learned: FeatureSource, held_out: FeatureSource | None) -> None:
        """Train the decoder on some good images, others given to tell the usual residuals.

        Raises:
            InputError: As :meth:`fit`.
        """
        self._decoder, _ = train_feature_decoder(
            learned.levels(self._layers),
            len(learned.image_ids),
            held_out=held_out.levels(self._layers) if held_out else None,
            loss=self._loss,
            settings=self._settings,
            checkpoint=NoCheckpoint(),
            config={},
            device=self._device,
            description=self._description,
        )
        self._reconstructor = FeatureReconstructor(self._decoder, self._device)

    def detect(self, images: FeatureSource) -> Detection:
        """Judge images and their patches by the fused residuals of all levels.

        Raises:
            InputError: If there are no images, or the fusion or the image score is unknown.
        """
        found = measure_residuals(
            images.levels(self._layers),
            self._reconstructor,
            self._decoder.fingerprint,
            self._settings.batch_size,
        )
        return patch_detection(images.image_ids, found.fuse(self._fusion), self._image_score)


class PixelReconstructionDetector:
    """An autoencoder of images; its patches are of 4 x 4 pixels.

    Args:
        model: A key of :data:`reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS`.
        pixel_loss: A key of :data:`reb_pipeline.reconstruction.pixel_losses.PIXEL_LOSSES`.
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`.
        side: Of the images in pixels, a multiple of 8 from 32 up.
        updates: See :class:`reb_pipeline.reconstruction.training.ReconstructionSettings`.
        batch_size: Likewise.
        learning_rate: Likewise.
        seed: Likewise.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; none without it.
    """

    def __init__(
        self,
        model: str,
        *,
        pixel_loss: str = "ssim",
        image_score: str = "block_max",
        side: int = 128,
        updates: int = 500,
        batch_size: int = 16,
        learning_rate: float = 0.001,
        seed: int = 0,
        device: str = "auto",
        description: str | None = None,
    ) -> None:
        self._model = model
        self._loss = pixel_loss
        self._image_score = image_score
        self._side = side
        self._settings = ReconstructionSettings(updates, batch_size, learning_rate, seed)
        self._device = device
        self._description = description

    @property
    def nbytes(self) -> int:
        """Of the network."""
        return _bytes_of(self._network)

    def fit(self, good: FeatureSource) -> None:
        """Train the network.

        Raises:
            InputError: If there are too few images, or model, loss or side cannot be used.
        """
        self._network, _ = train_pixel_model(
            good.pixels(self._side),
            len(good.image_ids),
            model=self._model,
            loss=self._loss,
            side=self._side,
            settings=self._settings,
            checkpoint=NoCheckpoint(),
            device=self._device,
            description=self._description,
        )
        self._reconstructor = PixelReconstructor(self._network, self._device)

    def detect(self, images: FeatureSource) -> Detection:
        """Judge images and their patches by the residuals of their pixels.

        Raises:
            InputError: If there are no images, or the image score is unknown.
        """
        _, scores = self._reconstructor.patch_scores(images.pixels(self._side))
        return patch_detection(images.image_ids, scores, self._image_score)


def _bytes_of(network: NetworkWeights) -> int:
    return sum(tensor.nbytes for tensor in network.state.values())
