"""Share of a defect that a network reconstructs.

A network trained only on good images should not reconstruct defects.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.images.resize import resize_image
from reb_pipeline.reconstruction.examples import Example
from reb_pipeline.scoring.anomaly_maps import anomaly_map

if TYPE_CHECKING:
    from reb_pipeline.reconstruction.pixels import PixelReconstructor

USUAL_QUANTILE = 0.99  # quantile of the residuals of good pixels
_STRIDE = 4  # every fourth pixel suffices: residuals of neighbouring pixels are similar


@dataclass(frozen=True, eq=False)
class ReconstructedExample:
    """Example image and its reconstruction by a network.

    Attributes:
        reconstruction: float32 [side, side, 3] in [0, 1].
        residual: Anomaly map, float32 [side, side], in multiples of the usual residual.
        share: See :func:`reconstructed_share`; None if the image without the defect is not known.
    """

    reconstruction: np.ndarray
    residual: np.ndarray
    share: float | None


def usual_residual(
    reconstructor: "PixelReconstructor", images: Iterable[tuple[str, np.ndarray]], sigma: float
) -> float:
    """Measure the 99 % quantile of the residuals of pixels of good images.

    Args:
        reconstructor: The network.
        images: (id, uint8 [side, side, 3] RGB) of good images that the network was not trained on.
        sigma: See :func:`reconstruct_examples`.
    """
    _, scores = reconstructor.patch_scores(images)
    maps = [anomaly_map(of_image, reconstructor.side, sigma) for of_image in scores]
    return float(np.quantile([of_image[::_STRIDE, ::_STRIDE] for of_image in maps], USUAL_QUANTILE))


def reconstruct_examples(
    reconstructor: "PixelReconstructor",
    examples: Iterable[Example],
    good: Iterable[tuple[str, np.ndarray]],
    sigma: float,
) -> list[ReconstructedExample]:
    """Reconstruct examples and measure their residuals in multiples of the usual residual.

    Args:
        reconstructor: The network.
        examples: The images.
        good: Good images for the usual residual, see :func:`usual_residual`.
        sigma: Standard deviation of the smoothing of anomaly maps, in pixels of a map of side 256.
    """
    usual = usual_residual(reconstructor, good, sigma)
    return [_reconstruct_example(reconstructor, example, usual, sigma) for example in examples]


def _reconstruct_example(
    reconstructor: "PixelReconstructor", example: Example, usual: float, sigma: float
) -> ReconstructedExample:
    image = resize_image(example.image, reconstructor.side)
    (reconstruction,) = reconstructor.reconstruct(image[None])
    _, (scores,) = reconstructor.patch_scores([(example.title, image)])
    residual = anomaly_map(scores, reconstructor.side, sigma) / usual
    share = share_of_defect(reconstructor, example)
    return ReconstructedExample(reconstruction, residual, share)


def mean_share(reconstructor: "PixelReconstructor", examples: Iterable[Example]) -> float:
    """Average the reconstructed share of the contrast of defects; NaN if no defect has a share.

    Args:
        reconstructor: The network.
        examples: Images of defects, with the good images that they were made from.
    """
    shares = [share_of_defect(reconstructor, example) for example in examples]
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else float("nan")


def share_of_defect(reconstructor: "PixelReconstructor", example: Example) -> float | None:
    """Measure :func:`reconstructed_share` of an example; None if the image without the defect is not known."""
    from reb_pipeline.metrics.report import resize_mask

    if example.good is None or example.mask is None:
        return None
    side = reconstructor.side
    pair = np.stack([resize_image(image, side) for image in (example.image, example.good)])
    defective, good = pair / np.float32(255)
    of_defective, of_good = reconstructor.reconstruct(pair)
    mask = resize_mask(example.mask, (side, side))
    return reconstructed_share(defective, good, of_defective, of_good, mask)


def reconstructed_share(
    defective: np.ndarray,
    good: np.ndarray,
    of_defective: np.ndarray,
    of_good: np.ndarray,
    mask: np.ndarray,
) -> float | None:
    """Measure the share of a defect's contrast that its reconstruction shows: 0 = none, 1 = all.

    The share is the slope of a least-squares fit inside the mask, of the change of the reconstruction over the change
    of the image. Errors that the reconstruction of the good image has too cancel out.

    Args:
        defective: The image with the defect, [height, width, channels] in [0, 1].
        good: The image without the defect, same shape and range.
        of_defective: Reconstruction of ``defective``.
        of_good: Reconstruction of ``good``.
        mask: bool [height, width], True = defect.

    Returns:
        The share; None if both images are equal inside the mask.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.reconstruction.reconstructed_defects import reconstructed_share
        >>> good, mask = np.zeros((8, 8, 3)), np.ones((8, 8), bool)
        >>> reconstructed_share(good + 0.8, good, good + 0.2, good, mask)  # a quarter of the contrast
        0.25
    """
    change = (defective - good)[mask].astype(np.float64)
    drawn = (of_defective - of_good)[mask].astype(np.float64)
    energy = float(np.sum(change * change))
    return float(np.sum(drawn * change)) / energy if energy else None
