"""Choice of the channels of an image file that become grey or RGB, such as those of several lights; quick to import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from reb_pipeline.core.errors import InputError

SETTING = "ingestion.channels"
MOST = 64  # channels of a file
OTHER_CHANNELS = (
    f"The memory bank was made of other channels of the image files: run the pipeline memory_bank again, or set "
    f"{SETTING} back."
)


@dataclass(frozen=True)
class Channels:
    """Channels of image files that are looked at.

    Attributes:
        picked: Numbers of the channels, from 0: one that becomes grey, or three that become red, green and blue. They
            are counted through the pages of a file with several.
        n_channels: Number of channels that every file has; None until one was opened.

    Example:
        >>> image = np.arange(10).reshape(1, 2, 5)  # of five channels
        >>> Channels((3, 1, 0)).of(image).tolist()
        [[[3, 1, 0], [8, 6, 5]]]
        >>> Channels((4,)).of(image).tolist()
        [[4, 9]]
    """

    picked: tuple[int, ...]
    n_channels: int | None = None

    @classmethod
    def of_setting(cls, value: int | Sequence[int] | None) -> Self | None:
        """Make the choice of a setting, the number of a channel or three; None gives None.

        Raises:
            InputError: If it is neither.
        """
        if value is None:
            return None
        numbers = tuple(value) if isinstance(value, Sequence) else (value,)
        are_numbers = all(type(one) is int and 0 <= one < MOST for one in numbers)
        if len(numbers) not in (1, 3) or not are_numbers:
            msg = (
                f"{SETTING} = {value!r} cannot be used: give the number of a channel, or three numbers, from 0 to "
                f"{MOST - 1}."
            )
            raise InputError(msg)
        return cls(numbers)

    @classmethod
    def of_json(cls, values: Mapping[str, Any] | None) -> Self | None:
        """Read what :meth:`as_json` wrote; None gives None."""
        return None if values is None else cls(tuple(values["picked"]), values["n_channels"])

    def as_json(self) -> dict[str, Any]:
        """Return the choice as JSON values."""
        return {"picked": list(self.picked), "n_channels": self.n_channels}

    def among(self, n_channels: int) -> Self:
        """Copy the choice for files of a number of channels."""
        return replace(self, n_channels=n_channels)

    def fault(self, n_channels: int) -> str:
        """Describe why a file of a number of channels cannot be read, the predicate of a sentence; empty if it can."""
        has = f"has {n_channels} channel{'s' if n_channels > 1 else ''}"
        if self.n_channels not in (None, n_channels):
            return f"{has} where the images learnt from have {self.n_channels}"
        if n_channels > MOST:
            return f"{has}, more than the {MOST} that are read"
        if max(self.picked) >= n_channels:
            return f"{has}, numbered from 0, and {self} asks for number {max(self.picked)}"
        return ""

    def of(self, image: np.ndarray) -> np.ndarray:
        """Pick the channels of an image.

        Args:
            image: [height, width] or [height, width, channels] of any type; none is missing, see :meth:`fault`.

        Returns:
            [height, width] grey, or [height, width, 3].
        """
        planes = image if image.ndim == 3 else image[:, :, None]
        return planes[:, :, self.picked[0] if len(self.picked) == 1 else list(self.picked)]

    def __str__(self) -> str:
        value = self.picked[0] if len(self.picked) == 1 else list(self.picked)
        return f"{SETTING} = {value}"
