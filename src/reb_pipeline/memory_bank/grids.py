"""Check of streamed grids of patch features, and the patches of a grid that lie in a region of interest."""

from collections.abc import Iterable, Iterator

import numpy as np

from reb_pipeline.core.errors import InputError


def checked_grids(
    patches: Iterable[tuple[str, np.ndarray]], channels: int | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Check grids of patch features as they are streamed.

    Args:
        patches: (image id, numbers [h, w, channels]) of each image.
        channels: Channels of the memory bank that they are compared with; None for those of the first image.

    Yields:
        (image id, float32 [h, w, channels]) of each image; a float32 array is not copied.

    Raises:
        InputError: If an id comes twice, a grid has another shape than the first one or other channels than the bank,
            is empty or has no numbers, or a feature is not finite.

    Example:
        >>> list(checked_grids([("a", np.ones((1, 1, 2))), ("b", np.ones((1, 2, 2)))]))
        Traceback (most recent call last):
            ...
        reb_pipeline.core.errors.InputError: Patch features of image 'b' have the shape [1, 2, 2], but those of image \
'a' have [1, 1, 2]: extract the features of all images with the same settings.
    """
    first: tuple[str, tuple[int, ...]] | None = None
    seen: set[str] = set()
    for image_id, given in patches:
        if image_id in seen:
            msg = f"Image id {image_id!r} comes twice: give every image an id of its own."
            raise InputError(msg)
        seen.add(image_id)
        grid = _as_float32(np.asarray(given), image_id)
        if first is None:
            _check_channels(grid, image_id, channels)
            first = image_id, grid.shape
        if grid.shape != first[1]:
            msg = (
                f"Patch features of image {image_id!r} have the shape {list(grid.shape)}, but those of image "
                f"{first[0]!r} have {list(first[1])}: extract the features of all images with the same settings."
            )
            raise InputError(msg)
        if not np.isfinite(grid).all():
            msg = (
                f"Patch features of image {image_id!r} are not all finite numbers in float32: check the image and the "
                f"network that made them."
            )
            raise InputError(msg)
        yield image_id, grid


def inside(grid: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """Take the patches of a grid that lie in a region, as one row.

    Args:
        grid: float32 [h, w, channels].
        region: bool [h, w]; None for all patches.

    Returns:
        float32 [1, patches, channels]; without a region, the grid.

    Raises:
        InputError: If the grid has another shape than the region.

    Example:
        >>> inside(np.arange(4.0).reshape(2, 2, 1), np.eye(2, dtype=bool)).ravel().tolist()
        [0.0, 3.0]
    """
    if region is None:
        return grid
    if grid.shape[:2] != region.shape:
        msg = (
            f"The region of interest is of grids of {list(region.shape)} patches, not {list(grid.shape[:2])}: extract "
            f"the features with the settings that made the bank."
        )
        raise InputError(msg)
    return grid[region][None]


def on_grid(values: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """Put values of the patches in a region back on their grids.

    Args:
        values: Floats [images, 1, patches]; without a region [images, h, w].
        region: bool [h, w]; None for all patches.

    Returns:
        float32 [images, h, w], NaN outside of the region.

    Example:
        >>> on_grid(np.array([[[1, 2]]], np.float32), np.eye(2, dtype=bool)).tolist()
        [[[1.0, nan], [nan, 2.0]]]
    """
    if region is None:
        return values
    grids = np.full((len(values), *region.shape), np.nan, np.float32)
    grids[:, region] = values[:, 0]
    return grids


def _as_float32(grid: np.ndarray, image_id: str) -> np.ndarray:
    if grid.dtype.kind not in "fiub" or grid.ndim != 3 or grid.size == 0:
        msg = (
            f"Patch features of image {image_id!r} are {grid.dtype} {list(grid.shape)}: give float32 "
            f"[h, w, channels] with at least one patch."
        )
        raise InputError(msg)
    with np.errstate(over="ignore"):  # too large a number becomes infinite, which is refused
        return grid.astype(np.float32, copy=False)


def _check_channels(grid: np.ndarray, image_id: str, channels: int | None) -> None:
    if channels is not None and grid.shape[2] != channels:
        msg = (
            f"Patch features of image {image_id!r} have {grid.shape[2]} channels, but the memory bank has {channels}: "
            f"extract them with the settings that made the bank."
        )
        raise InputError(msg)
