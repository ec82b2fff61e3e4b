"""Bins for the scores of anomaly maps: a bounded number for any distribution of scores.

Scores, except the highest ones, are neither sorted nor searched. The bits of a float32, read as an integer, keep the
order of positive floats; negative ones are mapped below them. So the bin of a score takes two table look-ups and a
shift.

These codes are dense around zero only. Scores may lie densely around another value, such as 1 ± 1e-7: so those between
half and twice a fixed centre are measured from it. Such differences of two float32 are exact (Sterbenz, 1974,
"Floating-Point Computation"), so two different scores never get the same code.
"""

from collections.abc import Iterable

import numpy as np

_SIGN = np.int32(-(2**31))
_LOW_BITS = 16  # low bits of a code; the high bits are the number of its block
_BINS = 2**16  # approximate number of bins without those of the highest scores
_HIGHEST = (
    2**15
)  # number of scores with a bin each: with few anomalous pixels, one pixel changes F1


class ScoreBins:
    """Bins that keep the order of scores: each block of 2**16 codes is divided into 2**n equal parts.

    Above them, each of the highest scores has its own bin. Every finite score has a bin, so maps that were not used to
    choose the bins can be counted too.

    Args:
        low_bits: n of each block, from the lowest scores up, uint32 [blocks], each in 0..16; 65536 blocks with centre
            0, up to twice as many with another one.
        highest: Codes of the highest scores, integers [any number but 0], ascending, unique.
        centre: Score that the scores near it are measured from.
    """

    def __init__(self, low_bits: np.ndarray, highest: np.ndarray, centre: float = 0.0) -> None:
        self.low_bits = low_bits
        self.highest = highest
        self.centre = centre
        self._dropped = (_LOW_BITS - low_bits).astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(1 << low_bits.astype(np.int64))])
        self._body = int(ends[-1])
        self.count = self._body + len(highest)
        # The bin is this offset plus the code without its dropped bits.
        self._offset = ends[:-1] - (np.arange(len(low_bits)) << _LOW_BITS >> self._dropped)

    def __call__(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Find the bin of every score, int64 [H, W]; ValueError if a score is not finite."""
        codes = _codes(anomaly_map, self.centre)
        blocks = codes >> _LOW_BITS
        bins = self._offset.take(blocks) + (codes >> self._dropped.take(blocks))
        high = codes >= self.highest[0]
        bins[high] = self._body - 1 + np.searchsorted(self.highest, codes[high], side="right")
        return bins

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ScoreBins)
            and self.centre == other.centre
            and np.array_equal(self.low_bits, other.low_bits)
            and np.array_equal(self.highest, other.highest)
        )

    __hash__ = None  # type: ignore[assignment]  # as of arrays


def choose_bins(maps: Iterable[np.ndarray]) -> ScoreBins:
    """Choose bins that separate scores of any distribution.

    Equal-width bins would put most scores of a heavy-tailed distribution into few bins. Here the number of bins of a
    block grows with the square root of the ranks of its scores. So bins are finest at high scores, which decide average
    precision. Distances to the centre differ by less than 1 % in a block, and its bins are evenly spaced. The centre is
    the median of the first map. The highest 2**15 scores get separate bins.

    Args:
        maps: Anomaly maps, each [H, W] float32; read once, one at a time.

    Returns:
        At most 2**18 + 2**15 bins.

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
    counts, centre = np.empty(0, np.int64), 0.0
    highest, floor = np.empty(0, np.int64), -1
    for anomaly_map in maps:
        if not len(counts):
            centre = _centre(anomaly_map)
            counts = np.zeros(_blocks(centre), np.int64)
        for rows in strips(anomaly_map.shape):
            codes = _codes(anomaly_map[rows], centre).ravel()
            np.add.at(counts, codes >> _LOW_BITS, 1)
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
    return ScoreBins(low_bits, np.unique(_largest(highest)), centre)


def strips(shape: tuple[int, ...]) -> list[slice]:
    """Divide the rows of a map into strips of about a million pixels, so that memory is bounded for any size."""
    height, width = shape
    step = max(1, 2**20 // max(width, 1))
    return [slice(top, top + step) for top in range(0, height, step)]


def _centre(anomaly_map: np.ndarray) -> float:
    """Find the middle score of a map, a float32; 0 where its half or its double is none of full precision."""
    scores = _finite(anomaly_map).ravel()
    middle = float(np.partition(scores, len(scores) // 2)[len(scores) // 2])
    return middle if 2.0**-100 < abs(middle) < 2.0**100 else 0.0


def _blocks(centre: float) -> int:
    codes = 2**32 + int(_shifts(centre).sum() if centre else 0)
    return -(-codes // 2**_LOW_BITS)


def _largest(codes: np.ndarray) -> np.ndarray:
    return codes if len(codes) <= _HIGHEST else np.partition(codes, -_HIGHEST)[-_HIGHEST:]


def _codes(anomaly_map: np.ndarray, centre: float) -> np.ndarray:
    """Convert scores to integers of the same order, int64 [H, W]; ValueError if a score is not finite."""
    scores = _finite(anomaly_map)
    if centre == 0:
        return _ordered(scores).astype(np.int64)
    low, high = sorted([centre / 2, 2 * centre])
    from_low, above = scores >= np.float32(low), scores > np.float32(high)
    scores -= (from_low & ~above) * np.float32(centre)
    shifts = _shifts(centre)
    return _ordered(scores) + from_low * shifts[0] + above * shifts[1]


def _ordered(scores: np.ndarray) -> np.ndarray:
    """Read the bits of float32 scores as integers of the same order, uint32."""
    bits = scores.view(np.int32)
    # Positive numbers go above the negative ones, whose order is reversed.
    return (bits ^ (bits >> 31 | _SIGN)).view(np.uint32)


def _shifts(centre: float) -> np.ndarray:
    """Compute the rise of the codes at the lower and at the upper end of the centre's range.

    With it the codes go on there without a step back.

    At half the centre two runs of codes overlap; at twice the centre the codes of one power of two are left out.
    """
    overlap = 2 * int(np.float32(abs(centre) / 2).view(np.int32)) + 1
    shifts = np.array([overlap, -(2**23)])
    return shifts if centre > 0 else shifts[::-1]


def _finite(anomaly_map: np.ndarray) -> np.ndarray:
    """Copy scores as float32; ValueError if one is not finite."""
    scores = np.add(anomaly_map, 0, dtype=np.float32)  # turns -0.0 into 0.0
    finite = np.isfinite(scores)
    if not finite.all():
        raise ValueError(
            f"{np.count_nonzero(~finite)} of {finite.size} scores of an anomaly map are not "
            "finite: check the features and the memory bank they came from."
        )
    return scores
