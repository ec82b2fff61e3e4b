"""Images of something else than the part: recognised by shape, colours and features before their score is believed.

A black frame, another camera or another part is no defect of this part, and its score says nothing. Three things are
compared with the good images: width over height, the mean colour with the contrast, and the mean patch feature. For the
last two the distance to the most similar good image counts. Its limit is at least the largest such distance of a good
image to the others. Of n good images and a new one, all n + 1 are equally likely to be farthest from the rest, so at
most a share 1 / (n + 1) of good parts is refused by each. A defect changes both too, so the limits are at least a tenth
of all grey values, and a share of the distance of a blank frame to the good images, which few defects reach.
"""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.images.region import Region

ASPECT = 0.02  # relative difference that is still the same width over height
LEAST_COLOUR = 25.0  # grey values, a tenth of all
LEAST_SHARE = 0.4  # of the distance of a blank frame; see docs/measured/inspection.md


@dataclass(frozen=True, eq=False)
class Appearance:
    """Shapes and colours of the good images.

    Attributes:
        values: One row an image, see :func:`appearance_of`, float32 [images, 5].
    """

    values: np.ndarray


class PartCheck:
    """Comparison of images with the good ones.

    Args:
        appearance: Shapes and colours of good images, at least one.
        mean_features: Mean patch feature of good images, float32 [images, channels]; without any, features are not
            compared.
        blank: Mean patch feature of blank frames, such as black and white, float32 [frames, channels]; the one farthest
            from good images counts, since parts may be dark or bright.
        region: Region of interest; None for the whole image.
    """

    def __init__(
        self,
        appearance: Appearance,
        mean_features: np.ndarray,
        blank: np.ndarray,
        region: Region | None,
    ) -> None:
        self._features = mean_features
        self._region = region
        self._aspects, self._colours = appearance.values[:, 0], appearance.values[:, 1:]
        self._colour_limit = max(_largest_of_good(self._colours), LEAST_COLOUR)
        to_blank = max(_distances(mean_features, one).min(initial=np.inf) for one in blank)
        self._feature_limit = max(_largest_of_good(mean_features), LEAST_SHARE * to_blank)

    def fault(self, shape: tuple[int, ...], pixels: np.ndarray, mean_features: np.ndarray) -> str:
        """Say why an image does not show the part; empty if it may.

        Args:
            shape: Height and width of the image in pixels.
            pixels: The image as the network sees it, uint8 [height, width, 3].
            mean_features: Its mean patch feature, float32 [channels].
        """
        height, width = shape[:2]
        colours = appearance_of(shape, pixels, self._region)[1:]
        low, high = self._aspects.min(), self._aspects.max()
        if not low * (1 - ASPECT) <= width / height <= high * (1 + ASPECT):
            usual = f"{low:.3f}" if high - low < ASPECT else f"{low:.3f} to {high:.3f}"
            return (
                f"The image of {width} x {height} pixels is {width / height:.3f} times as wide as high, and the good "
                f"ones are {usual} times: it was not taken as they were."
            )
        farther = _distances(self._colours, colours).min() / self._colour_limit
        if farther > 1:
            red, green, blue, contrast = colours.round().astype(int)
            return (
                f"Its colours (red {red}, green {green}, blue {blue}, contrast {contrast}) are {farther:.1f} times as "
                f"far from those of every good image as is allowed: check light and camera, and whether it shows the "
                f"part."
            )
        to_good = _distances(self._features, mean_features)
        farther = to_good.min() / self._feature_limit if len(to_good) else 0.0
        if farther > 1:
            return (
                f"It resembles no good image: its features are {farther:.1f} times as far from those of every one as "
                f"is allowed, so it seems not to show the part."
            )
        return ""


def appearance_of(shape: tuple[int, ...], pixels: np.ndarray, region: Region | None) -> np.ndarray:
    """Describe an image by its shape and colours.

    Args:
        shape: Height and width of the image in pixels.
        pixels: The image as the network sees it, uint8 [height, width, 3] RGB.
        region: Region whose pixels count; None for all.

    Returns:
        Width over height, mean red, green and blue, and standard deviation of grey, float64 [5].

    Example:
        >>> pixels = np.full((32, 32, 3), (90, 120, 150), np.uint8)
        >>> appearance_of((30, 60), pixels, region=None).tolist()
        [2.0, 90.0, 120.0, 150.0, 0.0]
    """
    counted = pixels.reshape(-1, 3) if region is None else pixels[region.at(pixels.shape[:2])]
    return np.array([shape[1] / shape[0], *counted.mean(axis=0), counted.mean(axis=1).std()])


def refused_at_most(appearance: Appearance, mean_features: np.ndarray) -> float:
    """Bound the share of good parts that is refused by colours, features or, where good images have several, shapes.

    A new image is as likely to be the widest of all as each good one, and as likely to be the narrowest.

    Args:
        appearance: Of the good images.
        mean_features: Mean patch feature of good images, float32 [images, channels].

    Example:
        >>> refused_at_most(Appearance(np.ones((49, 5))), np.ones((99, 8)))
        0.03
    """
    aspects = appearance.values[:, 0]
    by_appearance = 1 if np.ptp(aspects) == 0 else 3
    return by_appearance / (len(aspects) + 1) + 1 / (len(mean_features) + 1)


def _largest_of_good(rows: np.ndarray) -> float:
    """Find the largest distance of a row to the nearest other one; 0 for fewer than two rows."""
    largest = 0.0
    for index, row in enumerate(rows if len(rows) > 1 else ()):
        to_all = _distances(rows, row)
        to_all[index] = np.inf
        largest = max(largest, float(to_all.min()))
    return largest


def _distances(rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(rows - row, axis=1), np.float64)
