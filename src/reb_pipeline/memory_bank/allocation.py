"""Memory for the features of a memory bank, or a temporary file for more of them."""

import logging
import shutil
import tempfile

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import reserve, writing

GIB = 2**30

logger = logging.getLogger(__name__)


def empty_features(n_rows: int, channels: int, memory_gib: float) -> np.ndarray:
    """Allocate features, float32 [n_rows, channels], in memory or in an unnamed temporary file."""
    gib = n_rows * channels * np.dtype(np.float32).itemsize / GIB
    if gib <= memory_gib / 2:
        return np.empty((n_rows, channels), np.float32)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / GIB
    if gib > free:
        msg = (
            f"The memory bank takes {gib:.3g} GiB of temporary disk space, but {folder} has {free:.3g} GiB left: make "
            f"room, let TMPDIR name a folder of a larger disk, or raise compute.memory_gib = {memory_gib:g}."
        )
        raise InputError(msg)
    logger.info(
        "The memory bank takes %.3g GiB, more than half of compute.memory_gib = %g: it is collected in a temporary "
        "file in %s.",
        gib,
        memory_gib,
        folder,
    )
    with tempfile.TemporaryFile(dir=folder) as file:  # has no name; the map keeps it alive
        with writing(f"{folder}/{tempfile.gettempprefix()}*", int(gib * GIB)):
            reserve(file.fileno(), int(gib * GIB))
        return np.memmap(file, np.float32, "w+", shape=(n_rows, channels))
