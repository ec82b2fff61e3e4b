"""Number of good images that a false-alarm rate needs, and their shares for bank, calibration and test."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from reb_pipeline.calibration.conformal import images_needed, smallest_rate
from reb_pipeline.core.errors import InputError

AUTO = "auto"
LEAST_SHARE = 0.1  # of the good images, for calibration, where the rate needs fewer
LEAST_TEST_SHARE = 0.1
SPARE_SHARE = 0.05  # of the calibration images
FEW = 20  # images to learn from; fewer show hardly how good parts differ
HIGH_RATE = 0.2
TEST_SHARE = 0.3  # of the good images, where the layout has no test of its own


@dataclass(frozen=True)
class Shares:
    """Number of good images for each purpose.

    Attributes:
        train: Images that the memory bank is made of.
        calibration: Images that only the threshold is taken from.
        test: Images for the test.
        folder: Folder of other good images that calibrate, None for none of these.
        in_folder: Number of images in the folder.
        units: Word for the counted units: ``images``, or ``parts`` that several images show.

    Example:
        >>> Shares(train=69, calibration=49, test=50).statement(0.02)
        '2 % needs 49 calibration images; of 168 good ones, with 50 for the test, 49 calibrate and 69 are learnt from.'
    """

    train: int
    calibration: int
    test: int
    folder: str | None = None
    in_folder: int = 0
    units: str = "images"

    @property
    def most(self) -> int:
        """Largest number of images that a threshold can be taken from: of a folder, a split, or left out in turn."""
        return self.in_folder if self.folder else max(self.calibration, self.train)

    def can_flag(self, rate: float) -> bool:
        """Return True if there are enough images for a threshold that keeps the rate."""
        return self.most >= images_needed(rate)

    def to_hold_out(self, rate: float) -> str:
        """Say how more images come to calibrate only, in the imperative.

        Args:
            rate: False-alarm rate, in (0, 1).

        Example:
            >>> Shares(train=54, calibration=0, test=6).to_hold_out(0.02)
            'ask for a false-alarm rate of at least 3.6 %, where half of the images calibrate, or give more images'
        """
        half = (self.train + self.calibration) // 2
        if images_needed(rate) <= half:
            return "hold out more, by split.calibration"
        return (
            f"ask for a false-alarm rate of at least {_percent(smallest_rate(half))} %, where half of the {self.units} "
            f"calibrate, or give more {self.units}"
        )

    def statement(self, rate: float) -> str:
        """Say how the good images are shared out, and whether the rate can be kept.

        Args:
            rate: False-alarm rate, in (0, 1).
        """
        needed, total = images_needed(rate), self.train + self.calibration + self.test
        begin = f"{100 * rate:.3g} % needs {needed} calibration {self.units}; of {total} good ones"
        begin += f", with {self.test} for the test, " if self.test else ", "
        if self.folder and self.in_folder >= needed:
            return f"{begin}{self.train} are learnt from and {self.in_folder} in {self.folder} calibrate."
        if self.calibration >= needed and not self.folder:
            return f"{begin}{self.calibration} calibrate and {self.train} are learnt from."
        if self.train >= needed and not self.folder:
            return (
                f"{begin}{self.train} are learnt from, and the threshold is taken from these too, each scored by a "
                f"detector fitted without it (leave-one-{self.units[:-1]}-out: the rate is simulated, not proven)."
            )
        where = f"in {self.folder}" if self.folder else "to learn from"
        return (
            f"{begin}{self.most} could calibrate, so no part can be flagged: give at least {needed - self.most} more "
            f"good {self.units} {where}, or ask for a rate of at least {_percent(smallest_rate(self.most))} %."
        )

    def notes(self, rate: float) -> list[str]:
        """Say what makes verdicts of little use, a sentence each: a high rate, few images to learn from.

        Args:
            rate: False-alarm rate, in (0, 1).
        """
        notes = []
        if rate > HIGH_RATE:
            notes.append(
                f"At {100 * rate:.3g} % about one good part in {round(1 / rate)} is flagged, so that a flagged part "
                f"says little: more good photos allow a lower rate."
            )
        if self.train < FEW:
            images = f"{self.units[:-1]} is" if self.train == 1 else f"{self.units} are"
            notes.append(
                f"Only {self.train} good {images} learnt from, which show hardly how good parts differ: 60 to 200 are "
                f"a good start."
            )
        return notes


def _percent(rate: float) -> str:
    """Round a rate up to a tenth of a percent."""
    return f"{math.ceil(1000 * rate) / 10:g}"


def check_calibration(calibration: Any) -> None:
    """Check what a split says about calibration: a share, a number of images or ``auto``.

    Raises:
        InputError: If it is none of these.
    """
    is_number = isinstance(calibration, int | float) and not isinstance(calibration, bool)
    is_share = is_number and 0 <= calibration < 1
    if calibration == AUTO or is_share or (type(calibration) is int and calibration > 0):
        return
    msg = (
        f"The split calibration={calibration} is not possible: give a share of the good images (at least 0 and below "
        f"1), a number of images, or auto."
    )
    raise InputError(msg)


def calibration_images(n_good: int, n_test: int, rate: float) -> int:
    """Compute how many good images calibrate where nobody says it.

    They are as many as the rate needs, and at least a tenth of the good images, but at most half of those that are not
    for the test. If the rate needs more than this half there are none: all images are learnt from, and the threshold is
    taken from them by leaving images out, see :mod:`reb_pipeline.scoring.left_out`.

    Args:
        n_good: Number of good images.
        n_test: Number of these for the test.
        rate: False-alarm rate, in (0, 1).

    Example:
        >>> calibration_images(168, 50, 0.05), calibration_images(168, 50, 0.02), calibration_images(168, 50, 0.01)
        (19, 49, 0)
    """
    half = (n_good - n_test) // 2
    needed = images_needed(rate)
    return 0 if needed > half else max(needed, min(round(LEAST_SHARE * n_good), half))


def share_for_test(n_good: int, rate: float, *, has_defects: bool) -> float:
    """Choose the share of good images for the test, so that enough are left for a proven threshold.

    With defective images the test tells what is found and what is flagged by mistake, and 30 % of the good ones are
    for it, or less if the rate needs the others. Without them it tells only the latter, and 10 % are enough.

    Args:
        n_good: Number of good images.
        rate: False-alarm rate, in (0, 1).
        has_defects: True if there are defective images.

    Example:
        >>> share_for_test(209, 0.02, has_defects=True), share_for_test(45, 0.05, has_defects=True)
        (0.3, 0.1)
        >>> share_for_test(209, 0.02, has_defects=False)
        0.1
    """
    shares = (TEST_SHARE, 0.2, LEAST_TEST_SHARE) if has_defects else (LEAST_TEST_SHARE,)
    for share in shares:
        n_test = round(share * n_good)
        least = calibration_images(n_good, n_test, rate)
        if least and images_with_spare(n_good, n_test, rate) > least:
            return share
    return LEAST_TEST_SHARE


def images_with_spare(n_good: int, n_test: int, rate: float) -> int:
    """Compute how many good images calibrate, see :func:`calibration_images`, with some more where there are enough.

    Images that cannot be read, and copies of others, do not calibrate; nobody knows them before the images are opened.

    Args:
        n_good: Number of good images.
        n_test: Number of these for the test.
        rate: False-alarm rate, in (0, 1).

    Example:
        >>> images_with_spare(209, 21, 0.02), images_with_spare(45, 4, 0.05), images_with_spare(30, 3, 0.05)
        (52, 20, 0)
    """
    needed = calibration_images(n_good, n_test, rate)
    return min(needed + math.ceil(SPARE_SHARE * needed), (n_good - n_test) // 2)


def photos_needed(rate: float) -> tuple[int, int]:
    """Compute the numbers of good images that a rate needs where 30 % are for the test.

    Args:
        rate: False-alarm rate, in (0, 1).

    Returns:
        Smallest number for a calibration split, and smallest number for leaving images out.

    Example:
        >>> photos_needed(0.05), photos_needed(0.02)
        ((54, 27), (140, 70))
    """
    needed = images_needed(rate)
    return _first(lambda n: n >= 2 * needed), _first(lambda n: n >= needed)


def _first(is_enough: Callable[[int], bool]) -> int:
    """Find the smallest number of good images whose part that is not for the test is enough."""
    return next(n for n in count(2) if is_enough(n - round(TEST_SHARE * n)))
