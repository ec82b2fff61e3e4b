"""Fusion of the residual maps of the levels to one map."""

from collections.abc import Callable, Sequence

import numpy as np

from reb_pipeline.core.errors import check_known
from reb_pipeline.scoring.anomaly_maps import resize_map


def total(residuals: np.ndarray) -> np.ndarray:
    """The sum over levels: one level alone can raise an alarm."""
    return residuals.sum(axis=0)


def product(residuals: np.ndarray) -> np.ndarray:
    """The product over levels: high only where all of them are, so that the noise of one level counts less."""
    return residuals.prod(axis=0)


# Of residuals on one grid, [levels, h, w]; the abstract of arXiv 2405.09148 speaks of aggregation, not of which.
FUSIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"sum": total, "product": product}


def fuse_residuals(residuals: Sequence[np.ndarray], fusion: str) -> np.ndarray:
    """Upsample the residual maps bilinearly to the finest grid and make one of them.

    Args:
        residuals: float32 [n, h_k, w_k] each, finest first, divided by their usual values, so that no level outweighs
            the others by its unit.
        fusion: A key of :data:`FUSIONS`.

    Returns:
        float32 [n, h_1, w_1].

    Raises:
        InputError: If the fusion is unknown.
    """
    check_known([fusion], list(FUSIONS), "Fusion")
    shape = residuals[0].shape[1:]
    maps = zip(*residuals, strict=True)
    return np.stack([FUSIONS[fusion](np.stack([resize_map(m, shape) for m in of_image]))
                     for of_image in maps])  # fmt: skip
