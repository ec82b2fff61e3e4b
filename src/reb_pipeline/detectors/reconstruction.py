"""Detectors by reconstruction: a network trained on good images cannot reconstruct anomalies (arXiv 2405.09148)."""

from dataclasses import dataclass
from typing import Any, Self

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.resumable_training import Checkpoint, NoCheckpoint
from reb_pipeline.detectors.interface import FeatureSource, PixelSource, held_out_tenth
from reb_pipeline.reconstruction.features import FeatureReconstructor, train_feature_decoder
from reb_pipeline.reconstruction.pixels import PixelReconstructor, train_pixel_model
from reb_pipeline.reconstruction.residual_maps import ResidualMaps, measure_residuals
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings


@dataclass(eq=False)
class FeatureReconstructionDetector:
    """Hierarchical feature reconstruction: a decoder reconstructs the encoder's levels from the deepest one.

    It learns from nine tenths of the good images; the usual residual of every level is measured on the others.

    Attributes:
        settings: Levels, loss, fusion and training.
        scoring: Name and settings of the image score.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; None shows no bars.
        weights: Weights of the decoder, set by the training or by :meth:`of`.
    """

    settings: FeatureReconstructionSettings = FeatureReconstructionSettings()
    scoring: ImageScoreSettings = ImageScoreSettings()
    device: str = "auto"
    description: str | None = None

    @classmethod
    def of(
        cls,
        weights: NetworkWeights,
        settings: FeatureReconstructionSettings,
        encoder: dict[str, Any],
        scoring: ImageScoreSettings | None = None,
        device: str = "auto",
    ) -> Self:
        """Build a detector from a trained decoder.

        Args:
            weights: Weights of the decoder.
            settings: Levels, loss and fusion.
            encoder: Settings of the encoder, see :meth:`fit_on`.
            scoring: Name and settings of the image score; None for those of the reference code.
            device: See :func:`reb_pipeline.core.device.torch_device`.

        Raises:
            InputError: If the decoder was trained with another encoder or another loss.
        """
        for name, wanted in {**encoder, "loss": settings.loss}.items():
            if weights.config[name] != wanted:
                msg = (
                    f"The feature decoder was trained with {name} = {weights.config[name]!r}, not {wanted!r}: run the "
                    f"pipeline feature_reconstruction again, or set {name} back."
                )
                raise InputError(msg)
        detector = cls(settings, scoring or ImageScoreSettings(), device)
        detector._use(weights)
        return detector

    @property
    def nbytes(self) -> int:
        """Bytes of the decoder."""
        return _bytes_of(self.weights)

    def fit(self, good: FeatureSource) -> None:
        """Train the decoder.

        Raises:
            InputError: If there are too few images.
        """
        self.fit_on(*held_out_tenth(good))

    def fit_on(
        self,
        learned: FeatureSource,
        held_out: FeatureSource | None,
        encoder: dict[str, Any] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> dict[str, Any]:
        """Train the decoder on some good images, and measure the usual residuals on others.

        Args:
            learned: Good images to train on.
            held_out: Good images to validate on; if None, usual residuals are measured on the training images.
            encoder: Settings of the encoder as JSON values, stored with the weights.
            checkpoint: Checkpoint to continue from and to write to; None stores no checkpoint.

        Returns:
            The history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

        Raises:
            InputError: As :meth:`fit`.
        """
        layers = self.settings.layers
        weights, history = train_feature_decoder(
            learned.levels(layers),
            len(learned.image_ids),
            held_out=held_out.levels(layers) if held_out else None,
            settings=self.settings,
            checkpoint=checkpoint or NoCheckpoint(),
            config=encoder or {},
            device=self.device,
            description=self.description,
        )
        self._use(weights)
        return history

    def residuals(self, images: FeatureSource, batch_size: int | None = None) -> ResidualMaps:
        """Reconstruct the features of images and measure the residuals.

        Args:
            images: The images.
            batch_size: Number of images per batch; None for the batch size of the training.

        Raises:
            InputError: If there are no images, or their features differ in shape from the decoder's.
        """
        return measure_residuals(
            images.levels(self.settings.layers),
            self._reconstructor,
            self.weights.fingerprint,
            batch_size or self.settings.batch_size,
        )

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches by the fused residuals of all levels.

        Raises:
            InputError: As :meth:`residuals`, or if the image score compares neighbours.
        """
        return self.residuals(images).score(self.settings.fusion, self.scoring)

    def _use(self, weights: NetworkWeights) -> None:
        self.weights = weights
        self._reconstructor = FeatureReconstructor(weights, self.device)


@dataclass(eq=False)
class PixelReconstructionDetector:
    """Autoencoder of images; its patches have 4 x 4 pixels.

    Attributes:
        model: A key of :data:`reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS`.
        settings: Size of the images, loss and training.
        scoring: Name and settings of the image score.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; None shows no bar.
        weights: Weights of the network, set by the training or by :meth:`of`.
        reconstructor: The network with these weights, ready to reconstruct images.
    """

    model: str
    settings: PixelReconstructionSettings = PixelReconstructionSettings()
    scoring: ImageScoreSettings = ImageScoreSettings()
    device: str = "auto"
    description: str | None = None

    @classmethod
    def of(
        cls,
        weights: NetworkWeights,
        scoring: ImageScoreSettings | None = None,
        device: str = "auto",
    ) -> Self:
        """Build a detector from a trained network.

        Args:
            weights: Weights of the network, with its model and settings.
            scoring: Name and settings of the image score; None for those of the reference code.
            device: See :func:`reb_pipeline.core.device.torch_device`.
        """
        config = weights.config
        settings = PixelReconstructionSettings(
            loss=config["loss"], image_size=config["image_size"], **config["settings"]
        )
        detector = cls(config["model"], settings, scoring or ImageScoreSettings(), device)
        detector._use(weights)
        return detector

    @property
    def nbytes(self) -> int:
        """Bytes of the network."""
        return _bytes_of(self.weights)

    def fit(self, good: PixelSource) -> None:
        """Train the network.

        Raises:
            InputError: If there are too few images.
        """
        self.fit_on(good, None)

    def fit_on(
        self,
        learned: PixelSource,
        held_out: PixelSource | None,
        checkpoint: Checkpoint | None = None,
    ) -> dict[str, Any]:
        """Train the network on some good images, and validate it on others.

        Args:
            learned: Good images to train on.
            held_out: Good images to validate on; None for no validation.
            checkpoint: Checkpoint to continue from and to write to; None stores no checkpoint.

        Returns:
            The history as JSON values, see :func:`reb_pipeline.reconstruction.training.train`.

        Raises:
            InputError: As :meth:`fit`.
        """
        side = self.settings.image_size
        weights, history = train_pixel_model(
            learned.pixels(side),
            len(learned.image_ids),
            model=self.model,
            held_out=held_out.pixels(side) if held_out else None,
            settings=self.settings,
            checkpoint=checkpoint or NoCheckpoint(),
            device=self.device,
            description=self.description,
        )
        self._use(weights)
        return history

    def detect(self, images: PixelSource) -> Detection:
        """Score images and their patches by the residuals of their pixels.

        Raises:
            InputError: If there are no images, or the image score compares neighbours.
        """
        found = self.reconstructor.patch_scores(images.pixels(self.settings.image_size))
        return Detection.of_patches(*found, self.scoring)

    def _use(self, weights: NetworkWeights) -> None:
        self.weights = weights
        self.reconstructor = PixelReconstructor(weights, self.device)


def _bytes_of(network: NetworkWeights) -> int:
    return sum(tensor.nbytes for tensor in network.state.values())
