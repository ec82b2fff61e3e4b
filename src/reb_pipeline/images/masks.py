"""Grey values of mask files -> defective pixels, and doubts whether a mask is what it seems; quick to import."""

from collections.abc import Collection

import numpy as np

Color = tuple[int, int, int]  # red, green, blue, 0 to 255

# Kinds of doubt, by the key of their list in the audit: what is said of the masks.
MASK_DOUBTS = {
    "inexact_masks": "masks were saved as JPEG or smoothed: pixels above half of the brightest value count as "
    "defective; export them as PNG with two grey values",
    "empty_masks": "masks of anomalous images are empty",
    "full_masks": "masks cover the whole image",
    "inverted_masks": "masks look inverted, defective but for a part inside: good pixels have to be zero",
}
LABELS = 16  # more grey values than these are no labels of defects
_INDICES = 32  # up to this brightest value all values are numbers of defects
_JPEG = b"\xff\xd8\xff"


def are_labels(values: np.ndarray) -> bool:
    """Decide by the grey values of a mask whether they are labels of defects or a smoothed two-level mask.

    Labels are few exact values: numbers up to 32, or values of at least a sixteenth of the brightest, at most four of
    them or all multiples of the smallest. Interpolation, blur and JPEG leave values that are smaller, or more of them.

    Args:
        values: The different grey values above zero, ascending.

    Example:
        >>> are_labels(np.array([1, 2, 3])), are_labels(np.array([64, 128, 255])), are_labels(np.array([251]))
        (True, True, True)
        >>> are_labels(np.array([28, 57, 85, 113, 142, 170, 198, 227, 255]))  # a blurred edge
        False
        >>> are_labels(np.array([1, 254, 255]))  # a JPEG
        False
    """
    if not len(values) or values[-1] <= _INDICES:
        return True
    few = len(values) <= 4 or not (values % values[0]).any()
    return bool(few and values[0] >= values[-1] / LABELS)


def defective_pixels(grey: np.ndarray) -> np.ndarray:
    """Find the defective pixels of a mask.

    Args:
        grey: [H, W] bool or grey values, 0 for good pixels.

    Returns:
        bool [H, W]: every value above zero if the values are labels, see :func:`are_labels`; above half of the
        brightest if the mask was smoothed.

    Example:
        >>> edge = np.array([[0, 3, 20, 100, 180, 250, 255]], np.uint8)
        >>> defective_pixels(edge).astype(int).tolist(), defective_pixels(np.minimum(edge, 3)).astype(int).tolist()
        ([[0, 0, 0, 0, 1, 1, 1]], [[0, 1, 1, 1, 1, 1, 1]])
    """
    values = _values(grey)
    return grey > (0 if are_labels(values) else values[-1] / 2)


def pixels_of_colors(pixels: np.ndarray, colors: Collection[Color]) -> np.ndarray:
    """Find the pixels of a mask that have one of some colours.

    Args:
        pixels: uint8 [H, W, 3] RGB, or [H, W] grey.
        colors: The colours of defects.

    Returns:
        bool [H, W].

    Example:
        >>> mask = np.array([[[255, 255, 255], [44, 160, 44], [31, 119, 180]]], np.uint8)
        >>> pixels_of_colors(mask, {(44, 160, 44)}).tolist()
        [[False, True, False]]
    """
    rgb = pixels if pixels.ndim == 3 else pixels[:, :, None]
    found = np.zeros(rgb.shape[:2], bool)
    for color in colors:
        found |= (rgb == np.array(color)).all(axis=2)
    return found


def mask_doubts(grey: np.ndarray, data: bytes) -> list[str]:
    """List why a mask of a defect may not be what it seems.

    Args:
        grey: [H, W] bool or grey values, 0 for good pixels.
        data: The bytes of its file.

    Returns:
        Keys of :data:`MASK_DOUBTS`.

    Example:
        >>> mask = np.full((8, 8), 255, np.uint8)
        >>> mask[3:5, 3:5] = 0
        >>> mask_doubts(mask, b""), mask_doubts(255 - mask, b"")
        (['inverted_masks'], [])
    """
    mask = defective_pixels(grey)
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    found = {
        "inexact_masks": data.startswith(_JPEG) or not are_labels(_values(grey)),
        "empty_masks": not mask.any(),
        "full_masks": mask.all(),
        # A defect that is larger than half of the image leaves good pixels at the border.
        "inverted_masks": not mask.all() and mask.mean() > 0.5 and border.mean() > 0.9,
    }
    return [kind for kind, is_so in found.items() if is_so]


def _values(grey: np.ndarray) -> np.ndarray:
    """Different values above zero, ascending."""
    if grey.dtype == np.uint8:  # faster than sorting, and without a copy in 64 bits
        from PIL import Image  # slow to import

        return np.flatnonzero(Image.fromarray(grey).histogram()[1:]) + 1
    values = np.unique(grey)
    return values[values > 0].astype(np.float64)
