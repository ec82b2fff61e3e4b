"""Range of values and number of channels of the images of a category, from the files of the good training images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.channels import SETTING, Channels
from reb_pipeline.images.decoding import UnreadableImageError, count_channels, decode_image
from reb_pipeline.images.folder import read_file
from reb_pipeline.images.value_range import ValueRange, inferred_range

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@lru_cache(maxsize=64)  # every node opens the same images
def range_of_files(
    filesystem: AbstractFileSystem,
    paths: tuple[str, ...],
    keys: tuple[str, ...],
    channels: Channels | None,
) -> ValueRange | None:
    """Infer the range of values from image files.

    Args:
        filesystem: File system of the files.
        paths: Their paths.
        keys: Texts that change with the content of each file.
        channels: Channels that are picked from them; None for grey and RGB files.

    Raises:
        InputError: If the files state different depths.
    """
    found = []
    for path in paths:
        try:
            image = decode_image(read_file(filesystem, path), f"'{path}'", channels=channels)
        except (OSError, UnreadableImageError):  # named by the inventory
            continue
        if image.pixels.dtype == np.uint16:
            found.append((int(image.pixels.max()), image.stated))
    return inferred_range(found)


def channels_among(picked: Channels, files: Iterable[tuple[str, Callable[[], bytes]]]) -> Channels:
    """Complete picked channels by their number in the first file that can be read.

    Args:
        picked: The channels.
        files: Name for messages, and function that reads the bytes, of each file.

    Raises:
        InputError: If that file lacks one of them.
    """
    for name, read in files:
        try:
            n_channels = count_channels(read(), name)
        except UnreadableImageError:  # named by the inventory
            continue
        if fault := picked.fault(n_channels):
            msg = f"The good training image {name} {fault}: give {SETTING} other numbers, or images with more channels."
            raise InputError(msg)
        return picked.among(n_channels)
    return picked
