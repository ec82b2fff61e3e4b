"""Region of interest: the part of every image that is looked at.

What lies outside is filled with a neutral colour before the network sees it, so it changes no feature. Patches that lie
outside are neither learnt nor scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, has_aspect, shape_of, size_of
from reb_pipeline.images.empty_field import EmptyField
from reb_pipeline.images.even_light import AS_IS, evened
from reb_pipeline.images.polygons import Polygon
from reb_pipeline.images.resize import resize_image

# Mean colour of ImageNet: zero for networks that were trained on it, as their padding is.
NEUTRAL = (124, 116, 104)
WHITE = 128  # least grey value of a mask that counts as inside
FINEST = 2048  # px: side that polygons are drawn at, larger than images are resized to
FOUND = "found"  # value of features.region: the good images decide
OTHER_REGION = (
    "The memory bank was made with another region of interest: run the pipeline memory_bank again, or set "
    "features.region back."
)


@dataclass(frozen=True, eq=False)
class Region:
    """Region of interest of the images of a category.

    Attributes:
        mask: bool [height, width], True inside.
        aspect: Width over height of the images that the mask was drawn on; None if it fits images of any.
        is_found: True if it was found in good images, not drawn.

    Raises:
        InputError: If nothing lies inside.

    Example:
        >>> region = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])  # the left half
        >>> region.at(4).astype(int).tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
        >>> region.patches((2, 2)).tolist()
        [[True, False], [True, False]]
        >>> image = np.full((8, 8, 3), 200, np.uint8)
        >>> resized(image, 4, region)[0, :, 0].tolist()
        [200, 200, 124, 124]
    """

    mask: np.ndarray
    aspect: float | None = None
    is_found: bool = False

    def __post_init__(self) -> None:
        if not self.mask.any():
            msg = "features.region leaves nothing to look at: paint white where images are to be looked at."
            raise InputError(msg)

    @classmethod
    def of(cls, given: "str | Sequence[Polygon]") -> Self:
        """Make the region of a setting: the path of a mask, or polygons.

        Raises:
            InputError: See :meth:`of_file`, :meth:`of_polygons`.
        """
        return cls.of_file(given) if isinstance(given, str) else cls.of_polygons(given)

    @classmethod
    def of_file(cls, path: str) -> Self:
        """Read a mask: white, at least half as bright as possible, is inside.

        Args:
            path: Path or URL of an image file, of the size of the images or of their aspect.

        Raises:
            InputError: If it cannot be read, or nothing in it is white.
        """
        from reb_pipeline.images.opening import open_image

        try:
            grey = open_image(path).mean(axis=2)
        except InputError as error:
            msg = f"features.region = {path!r} cannot be read as a mask: {error}"
            raise InputError(msg) from error
        inside = grey >= WHITE
        if not inside.any():
            msg = (
                f"features.region = {path!r} is black everywhere, so that nothing would be looked at: paint white "
                f"where images are to be looked at."
            )
            raise InputError(msg)
        return cls(inside, inside.shape[1] / inside.shape[0])

    @classmethod
    def of_polygons(cls, polygons: Sequence[Polygon]) -> Self:
        """Draw polygons; what lies in any of them is inside.

        Args:
            polygons: Corners (x, y) of each, from (0, 0) at the top left to (1, 1) at the bottom right of an image.

        Raises:
            InputError: If they cover nothing.
        """
        from PIL import Image, ImageDraw

        canvas = Image.new("1", (FINEST, FINEST))
        draw = ImageDraw.Draw(canvas)
        for polygon in polygons:
            # Pillow paints pixels whose centres lie inside or on the line; the centre of pixel 0 is 0.
            draw.polygon([(x * FINEST - 0.5, y * FINEST - 0.5) for x, y in polygon], fill=1)
        return cls(np.asarray(canvas))

    @classmethod
    def of_json(cls, values: dict[str, Any] | None) -> Self | None:
        """Read what :meth:`as_json` wrote; None gives None."""
        if values is None:
            return None
        runs = np.array(values["runs"].split(), np.int64)
        is_inside = np.arange(len(runs)) % 2 == 1
        mask = np.repeat(is_inside, runs).reshape(shape_of(values["side"]))
        return cls(mask, values["aspect"], values.get(FOUND, False))

    def as_json(self, size: Size) -> dict[str, Any]:
        """Describe the region on images of a size by the lengths of its runs, row by row, outside first."""
        flat = self.at(size).ravel()
        ends = np.flatnonzero(np.diff(flat, prepend=False, append=not flat[-1]))
        runs = np.diff(ends, prepend=0)
        return {
            "side": size_of(*shape_of(size)),
            "aspect": self.aspect,
            "runs": " ".join(map(str, runs)),
            **({FOUND: True} if self.is_found else {}),
        }

    def at(self, size: Size) -> np.ndarray:
        """Resize to bool [height, width]: pixels at least half of which lie inside, see :meth:`patches`."""
        return self.patches(shape_of(size))

    def scaled(self, size: Size) -> Self:
        """Resize the mask once, for many images of a size."""
        return replace(self, mask=self.at(size))

    def patches(self, grid: tuple[int, int]) -> np.ndarray:
        """Find the patches of a grid at least half of which lie inside.

        A region that is smaller than half of a patch keeps the patches that it covers most.

        Args:
            grid: Height and width in patches.

        Returns:
            bool [h, w], True inside; at least one is.
        """
        from PIL import Image

        if self.mask.shape == grid:
            return self.mask
        grey = Image.fromarray(self.mask.astype(np.float32))
        covered = np.asarray(grey.resize(grid[::-1], Image.Resampling.BOX))
        return covered >= min(0.5, float(covered.max()))

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that an image is as much wider than high as those that the region was drawn on.

        Args:
            shape: Height and width of the image in pixels.

        Raises:
            InputError: If it is not.
        """
        if self.aspect and not has_aspect(shape, self.aspect):
            height, width = shape[:2]
            msg = (
                f"The region of interest was {FOUND if self.is_found else 'drawn'} on images {self.aspect:.3f} times "
                f"as wide as high, and the image of {width} x {height} pixels is {width / height:.3f} times as wide: "
                f"make features.region of images of this camera, or give images of one aspect."
            )
            raise InputError(msg)

    def filled(self, pixels: np.ndarray) -> np.ndarray:
        """Fill what lies outside with a neutral colour.

        Args:
            pixels: uint8 [height, width, 3] RGB, of the size of a network's input.
        """
        inside = self.at(pixels.shape[:2])[..., None]
        return np.where(inside, pixels, np.array(NEUTRAL, np.uint8))


def resized(
    image: np.ndarray,
    size: Size,
    region: Region | None,
    light: str = AS_IS,
    empty_field: EmptyField | None = None,
) -> np.ndarray:
    """Resize an image for a network, correct and even out its light, and fill what lies outside of a region.

    Args:
        image: uint8 [height, width, 3] RGB.
        size: Side of a square, or height and width, in pixels.
        region: Part of the image that is looked at; None for all of it.
        light: A key of :data:`reb_pipeline.images.even_light.LIGHTS`.
        empty_field: Shading that the image is corrected by; None for none.

    Returns:
        uint8 [height, width, 3] of the size.

    Raises:
        InputError: See :meth:`Region.check`, :meth:`reb_pipeline.images.empty_field.EmptyField.check`.
    """
    if region is not None:
        region.check(image.shape)
        region = region.scaled(size)
    pixels = resize_image(image, size)
    if empty_field is not None:
        empty_field.check(image.shape)
        pixels = empty_field.corrected(pixels)
    if region is None:
        return evened(pixels, light)
    return region.filled(evened(pixels, light, region.mask))
