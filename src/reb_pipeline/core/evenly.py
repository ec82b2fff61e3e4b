"""Choice of some of many things, evenly."""

import numpy as np


def spread(n: int, at_most: int) -> list[int]:
    """Spread numbers evenly over 0 to n - 1, the first and the last among them.

    Args:
        n: Number of things to choose from.
        at_most: Number of things to choose; all of fewer.

    Example:
        >>> spread(10, 4), spread(3, 4)
        ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.linspace(0, n - 1, min(n, at_most)).astype(int).tolist()
