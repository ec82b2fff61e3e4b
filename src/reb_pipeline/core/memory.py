"""Memory of this machine: work that cannot fit is refused before it begins, in one sentence."""

import os

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of, size_text

FLOATS_PER_PIXEL = (
    32  # that any backbone keeps at once, for each pixel of its input; most keep more
)
_GIB = 2**30
_REMEDY = (
    "make features.image_size, features.batch_size or memory_bank.coreset_ratio smaller, or take a machine "
    "that has more"
)


def total_bytes() -> int | None:
    """Return the size of this machine's memory; None where the operating system does not say it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def check_images_fit(n_images: int, size: Size, settings: str) -> None:
    """Check that a network can compute a batch of images in the memory of this machine.

    Args:
        n_images: Number of images in the batch.
        size: Side, or height and width, of an image in pixels.
        settings: Names of the settings behind these numbers, which the error names.

    Raises:
        InputError: If the least memory of any backbone is more than there is.

    Example:
        >>> check_images_fit(16, 256, "features.image_size and features.batch_size")
    """
    height, width = shape_of(size)
    needed, total = 4 * FLOATS_PER_PIXEL * n_images * height * width, total_bytes()
    if total is not None and needed > total:
        msg = (
            f"A batch of {n_images:,} images of {size_text(size)} pixels needs at least {needed / _GIB:,.0f} GiB of "
            f"memory, and this machine has {total / _GIB:,.0f} GiB: make {settings} smaller."
        )
        raise InputError(msg)


def is_too_little(error: BaseException) -> bool:
    """Return True for an error of memory that is not there, of Python, NumPy or PyTorch."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in str(error)
    )


def memory_error(error: BaseException) -> InputError:
    """Create the error of too little memory."""
    text = str(error).partition("\n")[0].rstrip(".")
    return InputError(f"There is too little memory{f' ({text})' if text else ''}: {_REMEDY}.")
