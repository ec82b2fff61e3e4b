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
    """Hierarchical feature reconstruction: a decoder reconstructs the encoder's levels from the deepest.

    It learns from all good images but a tenth, on which the usual residual of every level is measured.

    Attributes:
        settings: Levels, loss, fusion and training.
        scoring: The image score.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; none without it.
        weights: The decoder, once there is one.
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
        """Put a decoder to work that was trained before.

        Args:
            weights: The decoder.
            settings: Levels, loss and fusion.
            encoder: What makes the features, see :meth:`fit_on`.
            scoring: The image score; the reference code's without it.
            device: See :func:`reb_pipeline.core.device.torch_device`.

        Raises:
            InputError: If the decoder was trained on another encoder's features, or with another loss.
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
            held_out: Good images to validate on; without them usual residuals are those of the training.
            encoder: JSON values, what makes the features; kept with the weights.
            checkpoint: Where to go on from, and to write to; none is kept without it.

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
        """Reconstruct the features of images.

        Args:
            images: The images.
            batch_size: Images at a time; as many as in an update of the training without it.

        Raises:
            InputError: If there are no images, or their features are of other shapes than the decoder's.
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
    """An autoencoder of images; its patches are of 4 x 4 pixels.

    Attributes:
        model: A key of :data:`reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS`.
        settings: Size of the images, loss and training.
        scoring: The image score.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; none without it.
        weights: The network, once there is one.
        reconstructor: The same at work.
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
        """Put a network to work that was trained before.

        Args:
            weights: The network, with its model and settings.
            scoring: The image score; the reference code's without it.
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
            held_out: Good images to validate on, if any.
            checkpoint: Where to go on from, and to write to; none is kept without it.

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
