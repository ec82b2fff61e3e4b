"""Copies of good images that a memory bank learns beside them: in other light, or turned."""

from typing import NamedTuple

import numpy as np

from reb_pipeline.images.light import in_other_light, rotation


class Copy(NamedTuple):
    """One copy of every image.

    Attributes:
        light: Number of its light, see :func:`reb_pipeline.images.light.in_other_light`; 0 for that of the image.
        degrees: Angle that it is turned by.
    """

    light: int = 0
    degrees: float = 0.0

    @property
    def name(self) -> str:
        """Name of the change, which tells cached features apart."""
        return f"other_light{self.light}" if self.light else f"turned{self.degrees:g}"

    def of(self, image: np.ndarray) -> np.ndarray:
        """Make the copy of an image, uint8 [height, width, 3] RGB."""
        return in_other_light(image, self.light) if self.light else rotation(image, self.degrees)


def copies_of_images(light: int, turned: int) -> list[Copy]:
    """List the copies of every image: those in other light, then those turned by even steps.

    Args:
        light: Number of copies in other light.
        turned: Number of turned copies; with the image itself they divide the full angle.

    Example:
        >>> from reb_pipeline.images.copies import copies_of_images
        >>> [copy.name for copy in copies_of_images(light=1, turned=3)]
        ['other_light1', 'turned90', 'turned180', 'turned270']
    """
    angles = [360 * number / (turned + 1) for number in range(1, turned + 1)]
    return [
        *(Copy(light=number) for number in range(1, light + 1)),
        *(Copy(degrees=angle) for angle in angles),
    ]
