"""Rigid alignment of grey images to a golden one: a search over all angles and shifts, refined by ECC.

The search correlates the image with the golden image turned in steps of 5 degrees, each at all shifts at once (by the
correlation theorem). The best few angles are refined by the enhanced correlation coefficient (Evangelidis and Psarakis,
2008, OpenCV's ``findTransformECC``). All work on detail: the image between two Gaussian blurs, in which light that
changes slowly and noise are absent.
"""

from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

COARSE = 96  # px: longest side of the images of the search
STEP = 5  # degrees
FINEST, COARSEST = 128, 25  # detail between these parts of the longest side
REFINED = 3  # angles that are refined: the highest of their neighbours up to APART degrees
APART = 15
ITERATIONS, ENOUGH = 30, 1e-5  # of ECC


class Found(NamedTuple):
    """Result of a search.

    Attributes:
        matrix: From pixels (x, y) of the golden image to those of the image, float64 [2, 3].
        quality: Correlation of detail after alignment, at most 1.
        rival: The same of the best other angle; -1 without one.
        twin: Highest correlation at another place, as a share of the highest: near 1 if the part is there twice.
        evenness: Lowest over highest correlation of all angles: near 1 if the part looks alike at every one.
    """

    matrix: np.ndarray
    quality: float
    rival: float
    twin: float
    evenness: float


class Search:
    """Search for the pose of images.

    Args:
        golden: Golden image, float32 [height, width] grey.
        turns: False searches shifts alone.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> golden = cv2.GaussianBlur(rng.uniform(0, 255, (96, 96)).astype(np.float32), (0, 0), 3)
        >>> moved = np.roll(golden, (4, 7), axis=(0, 1))
        >>> Search(golden, turns=False)(moved).matrix[:, 2].round().tolist()
        [7.0, 4.0]
    """

    def __init__(self, golden: np.ndarray, *, turns: bool) -> None:
        self.golden = golden
        self._turns = turns
        self._detail = detail(golden)
        factor = min(1.0, COARSE / max(golden.shape))
        self._factor = factor
        self._small = round(golden.shape[0] * factor), round(golden.shape[1] * factor)
        self._centre, self._radius = _extent(self._detail)
        self._padded = cv2.getOptimalDFTSize(2 * max(self._small))
        self._angles = np.arange(0, 360, STEP) if turns else np.zeros(1, int)

    @cached_property
    def _spectra(self) -> np.ndarray:
        """Conjugate spectra of the golden image at every angle, complex64 [angles, n, n // 2 + 1]."""
        small = self._shrunk(self.golden)
        turned = [
            cv2.warpAffine(small, self._motion(angle, factor=self._factor), self._small[::-1])
            for angle in self._angles.tolist()
        ]
        shape = (self._padded, self._padded)
        of_length_1 = [one / max(float(np.linalg.norm(one)), 1e-6) for one in turned]
        return np.conj(np.fft.rfft2(np.stack(of_length_1), shape)).astype(np.complex64)

    def __call__(self, image: np.ndarray) -> Found:
        """Find the pose of an image, float32 of the golden image's shape."""
        scores, shifts, twin = self._correlated(image)
        of_image = detail(image)
        tried = [
            self.refined(of_image, self._motion(angle, shifts[index]))
            for index, angle in zip(*self._best_angles(scores), strict=True)
        ]
        quality, matrix = max(tried, key=lambda one: one[0])
        rivals = [one for one, other in tried if _between(matrix, other) > APART]
        highest = max(float(scores.max()), 1e-6)
        return Found(
            matrix,
            quality,
            max(rivals, default=-1.0),
            twin,
            max(0.0, float(scores.min())) / highest,
        )

    def cover(self, matrix: np.ndarray) -> float:
        """Compute the share of the golden image's detail, by energy, that lies in an image."""
        height, width = self.golden.shape
        # Half of a pixel counts as inside, so that rounding loses no border.
        inside = cv2.warpAffine(
            np.ones((height, width), np.float32),
            matrix,
            (width, height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )
        energy = self._detail**2
        return float((energy * inside).sum() / max(float(energy.sum()), 1e-6))

    def _correlated(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Correlate with every angle: highest values [angles], the shifts (x, y) there in pixels [angles, 2], twin."""
        small = self._shrunk(image)
        shape = (self._padded, self._padded)
        spectrum = np.fft.rfft2(small, shape).astype(np.complex64)
        surfaces = np.fft.irfft2(spectrum * self._spectra, shape).reshape(len(self._angles), -1)
        peaks = surfaces.argmax(axis=1)
        y, x = np.divmod(peaks, self._padded)
        shifts = np.stack([x, y], axis=1)
        shifts = np.where(shifts > self._padded // 2, shifts - self._padded, shifts) / self._factor
        length = max(float(np.linalg.norm(small)), 1e-6)
        return surfaces[np.arange(len(peaks)), peaks] / length, shifts, self._twin(surfaces)

    def _twin(self, surfaces: np.ndarray) -> float:
        """Compare the highest correlation of all places with the highest farther away than the part reaches."""
        places = surfaces.max(axis=0)
        best = int(places.argmax())
        axis = np.arange(self._padded)
        y, x = (
            np.minimum(abs(axis - at), self._padded - abs(axis - at))
            for at in divmod(best, self._padded)
        )
        is_far = np.hypot(y[:, None], x) > self._radius * self._factor
        return float(places[is_far.ravel()].max(initial=0.0)) / max(float(places[best]), 1e-6)

    def _motion(
        self,
        degrees: float,
        shift: np.ndarray | tuple[float, float] = (0.0, 0.0),
        factor: float = 1.0,
    ) -> np.ndarray:
        """Build the matrix that turns about the golden part, clockwise as seen, and shifts; float64 [2, 3].

        Args:
            degrees: Angle.
            shift: Shift to the right and down in pixels.
            factor: Side of the images as a share of the golden image's.
        """
        x, y = (self._centre + 0.5) * factor - 0.5
        matrix = np.asarray(
            cv2.getRotationMatrix2D((float(x), float(y)), -degrees, 1.0), np.float64
        )
        matrix[:, 2] += np.asarray(shift)
        return matrix

    def _best_angles(self, scores: np.ndarray) -> tuple[list[int], list[int]]:
        """Choose the highest peaks of the correlations over the angles: their indices, and degrees."""
        around = range(-(APART // STEP), APART // STEP + 1)
        is_peak = scores >= np.max([np.roll(scores, steps) for steps in around], axis=0)
        peaks = np.flatnonzero(is_peak)
        chosen = peaks[np.argsort(-scores[peaks])][:REFINED]
        return chosen.tolist(), self._angles[chosen].tolist()

    def refined(self, of_image: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
        """Refine a motion by ECC.

        Args:
            of_image: Detail of the image, see :func:`detail`.
            start: Matrix from pixels of the golden image to those of the image, float64 [2, 3].

        Returns:
            Correlation after alignment, and the refined matrix.
        """
        motion = cv2.MOTION_EUCLIDEAN if self._turns else cv2.MOTION_TRANSLATION
        until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, ENOUGH)
        # OpenCV keeps an angle as its sine, so that only the rest of it may be left to ECC.
        near, matrix = _moved(of_image, start), start
        try:
            still = np.eye(2, 3, dtype=np.float32)
            _, rest = cv2.findTransformECC(self._detail, near, still, motion, until)
        except cv2.error:  # it does not converge: images that have little in common
            return correlation(self._detail, near), matrix
        if np.isfinite(rest).all():
            matrix = start @ np.vstack([rest, (0, 0, 1)])
        return correlation(self._detail, _moved(of_image, matrix)), matrix

    def _shrunk(self, image: np.ndarray) -> np.ndarray:
        return detail(cv2.resize(image, self._small[::-1], interpolation=cv2.INTER_AREA))


def detail(grey: np.ndarray) -> np.ndarray:
    """Keep what is neither noise nor slow change of light, float32 [height, width]."""
    side = max(grey.shape)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), side / part) for part in (FINEST, COARSEST))
    return np.asarray(fine - coarse, np.float32)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Compute Pearson's correlation of two arrays; 0 if one is constant."""
    one, other = one - one.mean(), other - other.mean()
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float((one * other).sum()) / lengths if lengths > 1e-6 else 0.0


def _extent(of_image: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the centre (x, y) of detail and its mean radius (root mean square) in pixels."""
    energy = of_image**2 + 1e-9
    weights = energy / energy.sum()
    y, x = np.mgrid[: of_image.shape[0], : of_image.shape[1]]
    centre = np.array([(weights * x).sum(), (weights * y).sum()])
    squared = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    return centre, float(np.sqrt((weights * squared).sum()))


def _moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Bring an image to the golden one, float32; the border is repeated."""
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags, borderMode=border)
    )


def _between(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the angle between two matrices in degrees, 0 to 180."""
    cosine = (one[:, :2] * other[:, :2]).sum() / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))
