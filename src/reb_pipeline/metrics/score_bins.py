"""Bins for the scores of anomaly maps: a bounded number, whatever the scores' distribution.

All but the highest scores are neither sorted nor searched: the bits of a float32, read as an integer,
keep the order of the floats, so a score's bin is two table look-ups and a shift.
"""

from collections.abc import Iterable

import numpy as np

_SIGN = np.int32(-(2**31))
_LOW_BITS = 16  # of a code; the others number its cell
_CELLS = 2**16
_BINS = 2**16  # aimed at for the body
_HIGHEST = 2**15  # scores of their own bin: among few anomalous pixels a single one moves F1


class ScoreBins:
    """Bins that keep the order of scores: each cell of 2**16 float32 codes in 2**n equal parts.

    Above them the highest scores have a bin each. Any finite score has a bin, so that maps can be
    counted that the bins were not chosen for.

    Args:
        low_bits: n of each cell, from the lowest scores up, uint32 [65536], each in 0..16.
        highest: codes of the highest scores, uint32 [any number but 0], ascending, unique.
    """

    def __init__(self, low_bits: np.ndarray, highest: np.ndarray) -> None:
        self.low_bits = low_bits
        self.highest = highest
        self._dropped = _LOW_BITS - low_bits
        ends = np.concatenate([[0], np.cumsum(1 << low_bits.astype(np.int64))])
        self._body = int(ends[-1])
        self.count = self._body + len(highest)
        # Added to a code without its dropped bits it gives the bin, modulo 2**32 as uint32 adds.
        offset = ends[:-1] - (np.arange(_CELLS) << _LOW_BITS >> self._dropped)
        self._offset = offset.astype(np.uint32)

    def __call__(self, anomaly_map: np.ndarray) -> np.ndarray:
        """The bin of every score, int64 [H, W]; ValueError if a score is not finite."""
        codes = _codes(anomaly_map)
        cells = _cells(codes)
        bins = (self._offset.take(cells) + (codes >> self._dropped.take(cells))).astype(np.intp)
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
    """Bins that tell scores apart whatever their distribution.

    Equal-width bins would lose a heavy-tailed score's body. Here a cell gets bins in proportion to
    the square root of its scores' ranks, so that they are finest at high scores, where average
    precision is decided. Within a cell, under 1 % of a score wide, bins are evenly spaced. The
    highest 2**15 scores are told apart exactly.

    Args:
        maps: anomaly maps, each [H, W] float32; read once, never held together.

    Returns:
        At most 2**17 + 2**16 + 2**15 bins.

    Raises:
        ValueError: if there are no maps, or a score is not finite.
    """
    counts = np.zeros(_CELLS, np.int64)
    highest, floor = np.empty(0, np.uint32), 0
    for anomaly_map in maps:
        codes = _codes(anomaly_map).ravel()
        np.add.at(counts, _cells(codes), 1)
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
    """Integers in the order of the scores, uint32 [H, W]; ValueError if a score is not finite."""
    scores = np.add(anomaly_map, 0, dtype=np.float32)  # so that -0.0 becomes 0.0
    finite = np.isfinite(scores)
    if not finite.all():
        raise ValueError(
            f"{np.count_nonzero(~finite)} of {finite.size} scores of an anomaly map are not "
            "finite: check the features and the memory bank they came from."
        )
    bits = scores.view(np.int32)
    # Positive numbers go above the negative ones, whose magnitudes count backwards.
    return (bits ^ (bits >> 31 | _SIGN)).view(np.uint32)


def _cells(codes: np.ndarray) -> np.ndarray:
    return (codes >> _LOW_BITS).astype(np.intp)
