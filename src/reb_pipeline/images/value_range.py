"""Range of the values of images with more than 8 bits: which value becomes 0, and which becomes 255."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from reb_pipeline.core.errors import InputError

BIT_DEPTHS = (8, 10, 12, 14, 16)
CONTAINER = 2**16 - 1  # largest value of a 16-bit file
FORMER_RANGE = (0, CONTAINER)  # of models from before ranges were stored with them
# Larger values cannot be of 14 bits or fewer.
_PROVES_16_BITS = 2**14 - 1


@dataclass(frozen=True)
class ValueRange:
    """Range of values that is mapped to the 256 levels of the network's input.

    Attributes:
        low: Value that becomes 0.
        high: Value that becomes 255.
        origin: Reason for this range, for messages.
        is_inferred: True if nobody and no file gave it.

    Example:
        >>> twelve_bits = ValueRange.of_depth(12)
        >>> twelve_bits.to_bytes(np.array([0, 2048, 4095], np.uint16)).tolist()
        [0, 128, 255]
    """

    low: float
    high: float
    origin: str = field(default="", compare=False)
    is_inferred: bool = field(default=False, compare=False)

    @classmethod
    def of_depth(cls, bits: int, origin: str = "") -> Self:
        """Return the range of unsigned integers of so many bits."""
        return cls(0, 2**bits - 1, origin)

    @classmethod
    def of_json(cls, stored: Sequence[float] | None) -> "ValueRange | None":
        """Return the range that is stored with a model; None if its images had 8 bits."""
        if not stored:
            return None
        low, high = stored
        return cls(low, high, "the images learnt from")

    def as_json(self) -> list[float]:
        """Return the range as a JSON value."""
        return [self.low, self.high]

    def is_depth(self) -> bool:
        """Return True if it is the range of one of :data:`BIT_DEPTHS`."""
        return self.low == 0 and self.high in [2**bits - 1 for bits in BIT_DEPTHS]

    def fault(self, pixels: np.ndarray) -> str:
        """Describe how pixels lie outside of the range, the predicate of a sentence; empty if all lie inside."""
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            return "has values that are not finite"
        for value, is_outside in (
            (pixels.max(), pixels.max() > self.high),
            (pixels.min(), pixels.min() < self.low),
        ):
            if is_outside:
                return f"has the value {value:.6g} outside of {self}"
        return ""

    def to_bytes(self, pixels: np.ndarray) -> np.ndarray:
        """Map values in the range to uint8, rounded to the nearest level."""
        span = self.high - self.low
        if (
            pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2
        ):  # a table instead of floats of all pixels
            values = np.arange(int(pixels.max()) + 1, dtype=np.float64)
            levels: np.ndarray = np.rint((values - self.low) * 255 / span).clip(0, 255)
            return levels.astype(np.uint8)[pixels]
        levels = np.rint((pixels.astype(np.float64) - self.low) * 255 / span)
        return levels.astype(np.uint8)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{self.origin and f', the range of {self.origin}'}"


def declared_range(bit_depth: int | None, value_range: Sequence[float] | None) -> ValueRange | None:
    """Check the arguments of a dataset that give the range of its images.

    Args:
        bit_depth: Bits of a value, one of :data:`BIT_DEPTHS`; None if it is not given.
        value_range: Values that become 0 and 255; None if it is not given.

    Returns:
        The range; None if neither is given.

    Raises:
        InputError: If both are given, or one is invalid.

    Example:
        >>> declared_range(10, None).as_json()
        [0, 1023]
    """
    if bit_depth is not None and value_range is not None:
        msg = f"bit_depth={bit_depth} and value_range={list(value_range)} both give a range of values: give one."
        raise InputError(msg)
    if bit_depth is not None:
        if bit_depth not in BIT_DEPTHS:
            msg = f"bit_depth={bit_depth!r} is not possible: choose one of {', '.join(map(str, BIT_DEPTHS))}."
            raise InputError(msg)
        return ValueRange.of_depth(bit_depth, f"bit_depth = {bit_depth}")
    if value_range is None:
        return None
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (np.isfinite([low, high]).all() and low < high):
        msg = f"value_range={value_range!r} is not possible: give two numbers, the lower one first."
        raise InputError(msg)
    return ValueRange(low, high, f"value_range = [{low:g}, {high:g}]")


def inferred_range(found: Iterable[tuple[int, Sequence[int]]]) -> ValueRange | None:
    """Infer the range of images from what good training images hold.

    Args:
        found: (largest value, possible largest values by the file's own statement) of each image with more than 8 bits.

    Returns:
        The range that all files state; else that of the fewest bits that hold the largest value. None without images.

    Raises:
        InputError: If the files state different depths.

    Example:
        >>> inferred_range([(900, ()), (3921, ())]).as_json()
        [0, 4095]
        >>> inferred_range([(900, (4095,))]).as_json()
        [0, 4095]
    """
    images = list(found)
    if not images:
        return None
    largest = max(value for value, _ in images)
    statements = [set(stated) for _, stated in images if stated]
    if statements:
        common = [value for value in set.intersection(*statements) if value >= largest]
        if not common:
            depths = ", ".join(f"{value}" for value in sorted(set.union(*statements)))
            msg = (
                f"The good training images state different largest values ({depths}; found: {largest}): keep images of "
                f"one depth, or set bit_depth."
            )
            raise InputError(msg)
        return ValueRange(0, min(common), "what the files state")
    origin = f"the good training images, whose largest value is {largest}"
    return ValueRange(0, _depth_of(largest), origin, is_inferred=True)


def own_range(largest: int, stated: Sequence[int]) -> ValueRange | None:
    """Return the range of an unsigned 16-bit image that states it or proves it by its values, else None."""
    if stated:
        return ValueRange(0, min(stated), "what the file states")
    return ValueRange.of_depth(16, "16 bits") if largest > _PROVES_16_BITS else None


def _depth_of(largest: int) -> int:
    """Return the largest value of the fewest bits that hold a value."""
    return next(2**bits - 1 for bits in BIT_DEPTHS if largest < 2**bits)
