"""Pose: where the part lies in an image, and how the image is brought to the golden image; quick to import."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.installing import install_command
from reb_pipeline.core.sizes import has_aspect

if TYPE_CHECKING:
    from reb_pipeline.images.alignment import Found, Search

AS_TAKEN, SHIFT, RIGID = "as_taken", "shift", "rigid"
POSES = (AS_TAKEN, SHIFT, RIGID)
SIDE = 256  # px: longest side of the golden image
JPEG_QUALITY = 95
OTHER_POSE = (
    "The memory bank was made of images that were aligned in another way: run the pipeline memory_bank again, or set "
    "ingestion.pose and ingestion.golden back and run the pipeline ingestion."
)
ASPECT = 0.02  # relative difference that is still the same width over height


@dataclass(frozen=True)
class Placement:
    """Rigid motion from the golden image to an image: turned about the centre, then shifted.

    Attributes:
        degrees: Angle by which the part is turned, clockwise as seen.
        right: Shift to the right, as a share of the width.
        down: Shift down, as a share of the height.
        quality: Correlation with the golden image after alignment, at most 1.
        cover: Share of the golden image's detail that lies in the image, 0 to 1.
        twin: Correlation at another place, as a share of that where the part lies; near 1 if the part is there twice.
        fault: Why the image could not be aligned, a sentence; empty if it was.

    Example:
        >>> Placement(degrees=90).matrix((4, 4), aspect=1.0).round(3).tolist()  # a row goes down as a column
        [[0.0, -1.0, 3.0], [1.0, 0.0, 0.0]]
    """

    degrees: float = 0.0
    right: float = 0.0
    down: float = 0.0
    quality: float = 1.0
    cover: float = 1.0
    twin: float = 0.0
    fault: str = ""

    @property
    def moves(self) -> bool:
        """True if the part lies elsewhere than in the golden image."""
        return bool(self.degrees or self.right or self.down)

    def matrix(self, shape: tuple[int, ...], aspect: float) -> np.ndarray:
        """Compute the matrix from pixels (x, y) of the golden image to those of the image, float64 [2, 3].

        Args:
            shape: Height and width of both in pixels.
            aspect: Width over height of the image as it was taken; both may be resized to another.
        """
        height, width = shape[:2]
        angle = np.deg2rad(self.degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        to_pixels = np.array([width / aspect, height])  # of lengths in heights of the image
        turn = turn * to_pixels[:, None] / to_pixels
        centre = np.array([width - 1, height - 1]) / 2
        shift = np.array([self.right * width, self.down * height])
        return np.column_stack([turn, centre + shift - turn @ centre])

    def aligned(self, image: np.ndarray) -> np.ndarray:
        """Bring an image to the golden image; the border is repeated where the image ends.

        Args:
            image: uint8 [height, width, 3] RGB, as it was taken.

        Returns:
            uint8 of the same shape; the image itself if nothing moves.
        """
        if not self.moves:
            return image
        import cv2

        height, width = image.shape[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE
        matrix = self.matrix(image.shape, width / height)
        return np.asarray(
            cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=border)
        )

    def back(self, values: np.ndarray, aspect: float, outside: float) -> np.ndarray:
        """Bring a map of the golden image back to the image as it was taken.

        Args:
            values: float32 [height, width], or bool, of any size.
            aspect: Width over height of the image as it was taken.
            outside: Value of pixels that the golden image does not show.

        Returns:
            Array of the same shape and type; the map itself if nothing moves.
        """
        if not self.moves:
            return values
        import cv2

        height, width = values.shape
        is_mask = values.dtype == bool
        moved = cv2.warpAffine(
            values.astype(np.float32),
            self.matrix(values.shape, aspect),
            (width, height),
            flags=cv2.INTER_NEAREST if is_mask else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )
        return np.asarray(moved.astype(values.dtype))

    def box_back(
        self, box: tuple[int, int, int, int], shape: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """Find the upright box around a box of the golden image, within the image as it was taken.

        Args:
            box: x, y, width and height in pixels.
            shape: Height and width of the image in pixels.
        """
        if not self.moves:
            return box
        x, y, width, height = box
        corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]])
        matrix = self.matrix(shape, shape[1] / shape[0])
        # Corners lie half a pixel before the centre that a matrix counts from.
        moved = (corners - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
        low = np.clip(np.floor(moved.min(axis=0) + 1e-6), 0, np.array(shape[::-1]) - 1).astype(int)
        high = np.clip(np.ceil(moved.max(axis=0) - 1e-6), low + 1, shape[::-1]).astype(int)
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


@dataclass(frozen=True, eq=False)
class Pose:
    """Golden image that images are aligned to, and what an aligned image must reach.

    Attributes:
        kind: :data:`SHIFT` or :data:`RIGID`.
        golden: The golden image as a grey JPEG file, uint8 [bytes].
        aspect: Its width over height before it was shrunk.
        least_quality: Least correlation of an aligned image with it.
        least_cover: Least share of its detail that lies in an image.
        most_twin: Highest correlation at another place, see :class:`Placement`.
    """

    FORMAT: ClassVar[int] = 1

    kind: str
    golden: np.ndarray
    aspect: float
    least_quality: float = -1.0
    least_cover: float = 0.0
    most_twin: float = np.inf

    @classmethod
    def to(cls, image: np.ndarray, kind: str) -> Self:
        """Make the pose of a golden image, without limits.

        Args:
            image: uint8 [height, width, 3] RGB.
            kind: :data:`SHIFT` or :data:`RIGID`.
        """
        from PIL import Image

        height, width = image.shape[:2]
        factor = min(1.0, SIDE / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        file = io.BytesIO()
        grey = Image.fromarray(image).convert("L").resize(size, Image.Resampling.BOX)
        grey.save(file, "JPEG", quality=JPEG_QUALITY)
        return cls(kind, np.frombuffer(file.getvalue(), np.uint8), width / height)

    @classmethod
    def of_json(cls, values: Mapping[str, Any] | None) -> Self | None:
        """Read what :meth:`as_json` wrote; None gives None."""
        if values is None:
            return None
        golden = np.frombuffer(base64.b64decode(values["golden"]), np.uint8)
        return cls(**{**values, "golden": golden})

    def as_json(self) -> dict[str, Any]:
        """Describe the pose as JSON values."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**values, "golden": base64.b64encode(self.golden.tobytes()).decode()}

    @property
    def statement(self) -> str:
        """Kind and limits, for people."""
        return f"{self.kind}, quality {self.least_quality:.3f}, cover {self.least_cover:.3f}, twin {self.most_twin:.3f}"

    @cached_property
    def search(self) -> "Search":
        """Search for the pose of grey images of the golden image's size.

        Raises:
            InputError: If OpenCV is not installed; inspection alone does without it.
        """
        from reb_pipeline.images.decoding import decode_image

        try:
            from reb_pipeline.images.alignment import Search
        except ImportError as error:
            msg = f"Parts are aligned by OpenCV, which is not installed: run `{install_command('pose')}`."
            raise InputError(msg) from error

        grey = decode_image(self.golden.tobytes(), "golden").pixels
        return Search(grey.astype(np.float32), turns=self.kind == RIGID)

    def placed(self, image: np.ndarray) -> Placement:
        """Find where the part lies in an image.

        Args:
            image: uint8 [height, width, 3] RGB.

        Returns:
            Its placement; if the image cannot be aligned, that of an image that is left as it was taken, with the
            reason.
        """
        found = self.found(image)
        if found is None:
            height, width = image.shape[:2]
            return Placement(
                quality=0.0,
                cover=0.0,
                fault=f"The part could not be aligned: the image of {width} x {height} pixels is {width / height:.3f} "
                f"times as wide as high, and the golden image {self.aspect:.3f} times.",
            )
        rows, columns = self.search.golden.shape
        centre = np.array([columns - 1, rows - 1, 2]) / 2
        right, down = (found.matrix @ centre - centre[:2]) / (columns, rows)
        degrees = np.rad2deg(np.arctan2(found.matrix[1, 0], found.matrix[0, 0]))
        cover = self.search.cover(found.matrix)
        return self.judged(
            Placement(float(degrees), float(right), float(down), found.quality, cover, found.twin)
        )

    def brought(self, image: np.ndarray) -> np.ndarray:
        """Align an image, uint8 [height, width, 3]; one that cannot be aligned stays as it was taken."""
        return self.placed(image).aligned(image)

    def judged(self, placement: Placement) -> Placement:
        """Leave an image as it was taken, with the reason, if its placement does not reach the limits."""
        fault = placement.fault or self._fault(placement)
        if not fault:
            return placement
        return replace(placement, degrees=0.0, right=0.0, down=0.0, fault=fault)

    def found(self, image: np.ndarray) -> "Found | None":
        """Search the pose of an image, uint8 [height, width, 3] RGB; None if its aspect is not the golden image's."""
        import cv2

        if not has_aspect(image.shape, self.aspect, ASPECT):
            return None
        small = cv2.resize(image, self.search.golden.shape[::-1], interpolation=cv2.INTER_AREA)
        return self.search(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))

    def _fault(self, found: Placement) -> str:
        """Say why an image cannot be aligned, a sentence; empty if it can."""
        if found.quality < self.least_quality:
            return (
                f"The part could not be aligned: at the best place it resembles the golden image by "
                f"{found.quality:.2f}, and good parts by at least {self.least_quality:.2f}; check that the photo "
                f"shows one whole part."
            )
        if found.twin > self.most_twin:
            return (
                f"The part could not be aligned: the photo shows it twice, or something like it (at another place by "
                f"{100 * found.twin:.0f} % as well, and good parts by at most {100 * self.most_twin:.0f} %); check "
                f"that the photo shows one part."
            )
        if found.cover < self.least_cover:
            return (
                f"The part could not be aligned: only {100 * found.cover:.0f} % of it lie in the photo, and of good "
                f"parts at least {100 * self.least_cover:.0f} %; check that the photo shows the whole part."
            )
        return ""
