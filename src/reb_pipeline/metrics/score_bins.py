"""Bins for the scores of anomaly maps: a bounded number for any distribution of scores.

Scores, except the highest ones, are neither sorted nor searched. The bits of a float32, read as an integer, keep the
order of positive floats; negative ones are mapped below them. So the bin of a score takes two table look-ups and a
shift.
"""

from collections.abc import Iterable

import numpy as np

_SIGN = np.int32(-(2**31))
_LOW_BITS = 16  # low bits of a code; the high bits are the number of its block
_BLOCKS = 2**16
_BINS = 2**16  # approximate number of bins without those of the highest scores
_HIGHEST = (
    2**15
)  # number of scores with a bin each: with few anomalous pixels, one pixel changes F1


class ScoreBins:
    """Bins that keep the order of scores: each block of 2**16 float32 codes is divided into 2**n equal parts.

    Above them, each of the highest scores has its own bin. Every finite score has a bin, so maps that were not used to
    choose the bins can be counted too.

    Args:
        low_bits: n of each block, from the lowest scores up, uint32 [65536], each in 0..16.
        highest: Codes of the highest scores, uint32 [any number but 0], ascending, unique.
    """

    def __init__(self, low_bits: np.ndarray, highest: np.ndarray) -> None:
        self.low_bits = low_bits
        self.highest = highest
        self._dropped = _LOW_BITS - low_bits
        ends = np.concatenate([[0], np.cumsum(1 << low_bits.astype(np.int64))])
        self._body = int(ends[-1])
        self.count = self._body + len(highest)
        # The bin is this offset plus the code without its dropped bits, modulo 2**32.
        offset = ends[:-1] - (np.arange(_BLOCKS) << _LOW_BITS >> self._dropped)
        self._offset = offset.astype(np.uint32)

    def __call__(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Find the bin of every score, int64 [H, W]; ValueError if a score is not finite."""
        codes = _codes(anomaly_map)
        blocks = _blocks(codes)
        bins = (self._offset.take(blocks) + (codes >> self._dropped.take(blocks))).astype(np.intp)
        high = codes >= self.highest[0]
        bins[high] = self._body - 1 + np.searchsorted(self.highest, codes[high], side="right")
        return bins

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ScoreBins)
            and np.array_equal(self.low_bits, other.low_bits)
            and np.array_equal(self.highest, other.highest)
        )

    __hash__ = None  # type: ignore[assignment]  # as of arrays


def choose_bins(maps: Iterable[np.ndarray]) -> ScoreBins:
    """Choose bins that separate scores of any distribution.

    Equal-width bins would put most scores of a heavy-tailed distribution into few bins. Here the number of bins of a
    block grows with the square root of the ranks of its scores. So bins are finest at high scores, which decide average
    precision. Scores in a block differ by less than 1 %, and its bins are evenly spaced. The highest 2**15 scores get
    separate bins.

    Args:
        maps: Anomaly maps, each [H, W] float32; read once, one at a time.

    Returns:
        At most 2**17 + 2**16 + 2**15 bins.

    Raises:
        ValueError: If there are no maps, or a score is not finite.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.metrics.score_bins import choose_bins
        >>> anomaly_map = np.array([[0.1, 0.2], [5.0, -1.0]], np.float32)
        >>> bins = choose_bins([anomaly_map])
        >>> bool(bins(anomaly_map).ravel().argsort().tolist() == anomaly_map.ravel().argsort().tolist())
        True
    """
    counts = np.zeros(_BLOCKS, np.int64)
    highest, floor = np.empty(0, np.uint32), 0
    for anomaly_map in maps:
        codes = _codes(anomaly_map).ravel()
        np.add.at(counts, _blocks(codes), 1)
        highest = np.concatenate([highest, codes[codes > floor]])
        if len(highest) > 4 * _HIGHEST:
            highest = _largest(highest)
            floor = highest.min()
    if not counts.any():
        raise ValueError("There are no anomaly maps to choose bins from: check the test images.")
    depth = np.sqrt(np.cumsum(counts[::-1]) / counts.sum())
    wanted = _BINS * np.diff(depth, prepend=0)[::-1]
    low_bits = np.ceil(np.log2(np.maximum(wanted, 1)))
    low_bits = np.minimum(low_bits, _LOW_BITS).astype(np.uint32)
    return ScoreBins(low_bits, np.unique(_largest(highest)))


def _largest(codes: np.ndarray) -> np.ndarray:
    return codes if len(codes) <= _HIGHEST else np.partition(codes, -_HIGHEST)[-_HIGHEST:]


def _codes(anomaly_map: np.ndarray) -> np.ndarray:
    """Convert scores to integers of the same order, uint32 [H, W]; ValueError if a score is not finite."""
    scores = np.add(anomaly_map, 0, dtype=np.float32)  # turns -0.0 into 0.0
    finite = np.isfinite(scores)
    if not finite.all():
        raise ValueError(
            f"{np.count_nonzero(~finite)} of {finite.size} scores of an anomaly map are not "
            "finite: check the features and the memory bank they came from."
        )
    bits = scores.view(np.int32)
    # Positive numbers go above the negative ones, whose order is reversed.
    return (bits ^ (bits >> 31 | _SIGN)).view(np.uint32)


def _blocks(codes: np.ndarray) -> np.ndarray:
    return (codes >> _LOW_BITS).astype(np.intp)
