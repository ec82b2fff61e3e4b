"""Fusion of the residual maps of several levels to one map."""

from collections.abc import Callable, Sequence

import numpy as np

from reb_pipeline.core.errors import check_known
from reb_pipeline.scoring.anomaly_maps import resize_map


def total(residuals: np.ndarray) -> np.ndarray:
    """Sum over levels, so that one level alone can raise an alarm."""
    return residuals.sum(axis=0)


def product(residuals: np.ndarray) -> np.ndarray:
    """Multiply over levels: high only if all levels are high, so the noise of one level counts less."""
    return residuals.prod(axis=0)


# Functions of residuals on one grid, [levels, h, w] -> [h, w]. The abstract of arXiv 2405.09148 does not say how the
# levels are aggregated.
FUSIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"sum": total, "product": product}


def fuse_residuals(residuals: Sequence[np.ndarray], fusion: str) -> np.ndarray:
    """Upsample the residual maps bilinearly to the finest grid and fuse them to one map.

    Args:
        residuals: float32 [n, h_k, w_k] for each level, finest first, divided by the usual residual of the level, so
            that its unit gives no level more weight.
        fusion: A key of :data:`FUSIONS`.

    Returns:
        float32 [n, h_1, w_1].

    Raises:
        InputError: If the fusion is unknown.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.reconstruction.fusion import fuse_residuals
        >>> fine = np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32)
        >>> coarse = np.array([[[0.5]]], np.float32)
        >>> fuse_residuals([fine, coarse], "product")
        array([[[0.5, 1. ],
                [1.5, 2. ]]], dtype=float32)
    """
    check_known([fusion], list(FUSIONS), "Fusion")
    shape = residuals[0].shape[1:]
    maps = zip(*residuals, strict=True)
    return np.stack([FUSIONS[fusion](np.stack([resize_map(m, shape) for m in of_image]))
                     for of_image in maps])  # fmt: skip
