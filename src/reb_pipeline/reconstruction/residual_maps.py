"""Residual maps of many images, by level; imports no heavy package."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.samples import check_images
from reb_pipeline.reconstruction.fusion import fuse_residuals
from reb_pipeline.scoring.anomaly_maps import resize_map
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "run the pipeline feature_reconstruction again"


@dataclass(frozen=True, eq=False)
class ResidualMaps:
    """Residuals between features and their reconstruction, phi_1 to phi_K of arXiv 2405.09148.

    Attributes:
        levels: float32 [images, levels, h, w], finest level first, all on the grid of the finest level; 1 is the usual
            residual of the level on good images.
        image_ids: Ids of the images.
        decoder_fingerprint: Hash of the decoder's weights.
        image_hashes: SHA-256 of the files of the images; empty if unknown.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.reconstruction.residual_maps import ResidualMaps
        >>> levels = np.ones((2, 3, 4, 4), np.float32)  # 2 images, 3 levels
        >>> maps = ResidualMaps(levels, ["a", "b"], decoder_fingerprint="…")
        >>> maps["b"].shape, maps.fuse("sum").max()
        ((3, 4, 4), np.float32(3.0))
    """

    FORMAT: ClassVar[int] = 3
    FORMER_VALUES: ClassVar[Mapping[str, Any]] = {"image_hashes": []}
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"decoder": "decoder_fingerprint"}

    levels: np.ndarray
    image_ids: list[str]
    decoder_fingerprint: str
    image_hashes: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Hash of images and residuals, which tables of their scores keep."""
        digest = hashlib.blake2b(json.dumps(self.image_ids).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.levels).data)
        return digest.hexdigest()

    def __getitem__(self, image_id: str) -> np.ndarray:
        """Get the residual maps of one image, float32 [levels, h, w].

        Raises:
            ValueError: If there is no such image.
        """
        return self.levels[self.image_ids.index(image_id)]

    def fuse(self, fusion: str) -> np.ndarray:
        """Fuse the levels to one map per image, float32 [images, h, w].

        Args:
            fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
        """
        return fuse_residuals(list(self.levels.swapaxes(0, 1)), fusion)

    def score(self, fusion: str, scoring: ImageScoreSettings) -> Detection:
        """Score patches by the fused residuals of all levels, and images by the scores of their patches.

        Args:
            fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
            scoring: Settings of the image score.

        Raises:
            InputError: If the image score needs a memory bank.
        """
        return Detection.of_patches(self.image_ids, self.fuse(fusion), scoring)

    def check_samples(self, samples: "pd.DataFrame") -> None:
        """Check that these images were reconstructed.

        Raises:
            InputError: If one of them is new, gone or changed, see :func:`reb_pipeline.images.samples.check_images`.
        """
        check_images(
            "The residual maps are those of", samples, self.image_ids, self.image_hashes, _AGAIN
        )

    def check_scores(self, fingerprints: Iterable[str]) -> None:
        """Check that scores were made from these maps.

        Args:
            fingerprints: Fingerprints of the maps that they were made from; none if they do not say.

        Raises:
            InputError: If they were made from others.
        """
        if not {self.fingerprint}.issuperset(fingerprints):
            msg = f"The scores were made from other residual maps: {_AGAIN}."
            raise InputError(msg)

    def check_decoder(self, decoder_fingerprint: str) -> None:
        """Check that a given decoder made these maps.

        Args:
            decoder_fingerprint: Hash of the decoder's weights.

        Raises:
            InputError: If another decoder made them.
        """
        if decoder_fingerprint != self.decoder_fingerprint:
            msg = f"The residual maps of test images and of held-out good ones are of different decoders: {_AGAIN}."
            raise InputError(msg)


class Reconstructor(Protocol):
    """Interface for measuring residuals, see :class:`reb_pipeline.reconstruction.features.FeatureReconstructor`."""

    def residuals(self, levels: list[np.ndarray]) -> list[np.ndarray]:
        """Measure the residuals of features.

        Args:
            levels: float32 [batch, h, w, channels] for each level, finest first.

        Returns:
            float32 [batch, h, w] for each level.
        """


def measure_residuals(
    levels: Iterable[tuple[str, list[np.ndarray]]],
    reconstructor: Reconstructor,
    decoder_fingerprint: str,
    batch_size: int,
) -> ResidualMaps:
    """Reconstruct the features of images, and upsample the residuals of each level bilinearly to the finest grid.

    Args:
        levels: (id, float32 [h, w, channels] per level, finest first) of each image; may be lazy.
        reconstructor: Network that measures the residuals.
        decoder_fingerprint: Hash of its weights.
        batch_size: Images in a batch.

    Raises:
        InputError: If there are no images.
    """
    image_ids: list[str] = []
    maps: list[np.ndarray] = []
    remaining = iter(levels)
    while batch := list(islice(remaining, batch_size)):
        image_ids += [image_id for image_id, _ in batch]
        by_level = [np.stack(level) for level in zip(*(grids for _, grids in batch), strict=True)]
        maps += _on_finest_grid(reconstructor.residuals(by_level))
    if not maps:
        msg = "There are no images to reconstruct: check the splits of the samples."
        raise InputError(msg)
    return ResidualMaps(np.stack(maps), image_ids, decoder_fingerprint)


def _on_finest_grid(residuals: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield float32 [levels, h, w] for each image of a batch."""
    shape = residuals[0].shape[1:]
    for of_image in zip(*residuals, strict=True):
        yield np.stack([resize_map(level, shape) for level in of_image])
