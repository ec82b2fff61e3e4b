"""Channels of TIFF files with any number of them, over one page or several.

Decoders know files of one, three or four channels. A pixel of n channels lies in a file as n pixels of grey do, so that
a file whose directory calls it a grey one, n times as wide, is decoded by any decoder.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from reb_pipeline.images.channels import MOST
from reb_pipeline.images.headers import directories, numbers, stated_by, strips_differ

# Tags of TIFF 6.0.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_COLOURS, _FILL, _ORIENTATION = 262, 266, 274
_OFFSETS, _CHANNELS, _ROWS, _COUNTS, _PLANES, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _FORMAT = 322, 323, 324, 325, 339
# Compressions without loss: LZW, Deflate (two numbers), LZMA and Zstandard may store differences.
_MAY_DIFFER = (5, 8, 32946, 34925, 50000)
_LOSSLESS = (1, 32773, *_MAY_DIFFER)
_COLOURS_AS_STORED = (1, 2, 5)  # black is zero, RGB, separated inks
_DEPTHS = {1: (8, 16, 32), 2: (16, 32), 3: (32,)}  # bits by sample format: unsigned, signed, float
_DIFFERENCES = 2  # predictor: a sample is stored as the difference from the one before it


@dataclass(frozen=True)
class Page:
    """Directory of one page.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
        n_channels: Samples of a pixel.
        bits: Bits of a sample.
        is_signed: True for signed integers.
        stated: See :class:`reb_pipeline.images.headers.Header`.
        orientation: EXIF orientation.
        in_planes: True if each channel is stored by itself.
        run: Pixels over which samples are differences; 0 where they are values.
        tags: Values of the tags of the grey file, but for those that :func:`grey_file` sets.
        strips: Offsets and lengths of its strips or tiles.
        fault: Why it is not read, the predicate of a sentence; empty if it is.
    """

    height: int
    width: int
    n_channels: int
    bits: int
    is_signed: bool
    stated: tuple[int, ...]
    orientation: int
    in_planes: bool
    run: int
    tags: Mapping[int, Sequence[int]]
    strips: tuple[tuple[int, ...], tuple[int, ...]]
    fault: str

    @property
    def n_greys(self) -> int:
        """Number of grey pages that it is decoded as."""
        return self.n_channels if self.in_planes else 1

    def pixels(self, greys: Sequence[np.ndarray]) -> np.ndarray:
        """Put the channels of the page together.

        Args:
            greys: Its decoded grey pages, [height, width] in planes, else one [height, width x channels].

        Returns:
            [height, width, channels].
        """
        if self.in_planes:
            found = np.stack(greys, axis=2)
        else:
            found = greys[0].reshape(self.height, self.width, self.n_channels)
        for start in range(0, self.width if self.run else 0, self.run or 1):
            part = found[:, start : start + self.run]
            found[:, start : start + self.run] = np.cumsum(part, axis=1, dtype=found.dtype)
        return found


def read_pages(data: bytes) -> list[Page]:
    """Read the directories of a TIFF file, at most one more than there may be channels.

    Args:
        data: The bytes of the file.

    Raises:
        UnidentifiedImageError: If a directory is broken, such as that of a file that is cut off.
    """
    from PIL import UnidentifiedImageError  # slow to import

    try:
        return [_page(tags, len(data)) for tags in islice(directories(data), MOST + 1)]
    except Exception as error:  # Pillow's reader of tags raises many kinds of exceptions
        raise UnidentifiedImageError from error


def fault_of(pages: Sequence[Page]) -> str:
    """Describe why the channels of pages cannot be read together, the predicate of a sentence; empty if they can."""
    for page in pages:
        if page.fault:
            return page.fault
    kinds = {(one.height, one.width, one.bits, one.is_signed, one.orientation) for one in pages}
    if len(kinds) > 1:
        return "has pages that differ in size, depth or orientation"
    return "" if pages else "has no page"


def grey_file(data: bytes, pages: Sequence[Page]) -> bytes:
    """Give a TIFF file directories that call its channels grey pages; its samples stay where they are.

    Args:
        data: The bytes of the file.
        pages: Its directories, without faults.
    """
    order = "<" if data[:2] == b"II" else ">"
    start = len(data) + len(data) % 2
    greys = [tags for page in pages for tags in _greys(page)]
    written: list[bytes] = []
    place = start
    for number, tags in enumerate(greys):
        directory = _directory(order, place, tags, is_last=number == len(greys) - 1)
        written.append(directory)
        place += len(directory)
    # A directory of the classic kind fits into the header of a BigTIFF, too: offsets are at most 2^32.
    header = data[:2] + struct.pack(f"{order}HI", 42, start)
    return header + data[8:] + b"\0" * (start - len(data)) + b"".join(written)


def _page(tags: Any, n_bytes: int) -> Page:
    bits, formats = numbers(tags, _BITS, (1,)), numbers(tags, _FORMAT, (1,))
    n_channels = int(tags.get(_CHANNELS, len(bits)))
    height, width, depth = int(tags[_HEIGHT]), int(tags[_WIDTH]), max(bits)
    compression, colours = int(tags.get(_COMPRESSION, 1)), int(tags.get(_COLOURS, 1))
    predictor = int(tags.get(_PREDICTOR, 1)) if compression in _MAY_DIFFER else 1
    in_planes, in_tiles = tags.get(_PLANES, 1) == 2, _TILE_OFFSETS in tags
    names = (_TILE_OFFSETS, _TILE_COUNTS) if in_tiles else (_OFFSETS, _COUNTS)
    places, lengths = (numbers(tags, name, ()) for name in names)
    ends = [place + length for place, length in zip(places, lengths, strict=False)]
    faults = (
        (
            colours not in _COLOURS_AS_STORED,
            f"stores its channels as other colours (photometric interpretation {colours})",
        ),
        (
            compression not in _LOSSLESS,
            f"stores its channels with loss (compression {compression})",
        ),
        (
            len(set(bits)) > 1 or len(set(formats)) > 1 or depth not in _DEPTHS.get(formats[0], ()),
            f"has samples of {', '.join(map(str, sorted(set(bits))))} bits of the formats {sorted(set(formats))}",
        ),
        (
            predictor not in (1, _DIFFERENCES) or (predictor != 1 and formats[0] == 3),
            f"stores differences of samples (predictor {predictor})",
        ),
        (
            strips_differ(tags, depth, n_channels, colours),
            "has more rows by its header than it holds",
        ),
        (
            not ends or len(places) != len(lengths) or max(ends) > n_bytes,
            "is cut off, or does not say where its samples lie",
        ),
    )
    grey = {_HEIGHT: [height], _BITS: [depth], _COMPRESSION: [compression], _FORMAT: [formats[0]]}
    if _FILL in tags:
        grey[_FILL] = [int(tags[_FILL])]
    if in_tiles:
        grey |= {_TILE_WIDTH: [int(tags[_TILE_WIDTH])], _TILE_HEIGHT: [int(tags[_TILE_HEIGHT])]}
    else:
        grey[_ROWS] = [min(int(tags.get(_ROWS, height)), height)]
    run = int(tags[_TILE_WIDTH]) if in_tiles else width
    return Page(
        height,
        width,
        n_channels,
        depth,
        is_signed=formats[0] == 2,
        stated=stated_by(tags, depth),
        orientation=int(tags.get(_ORIENTATION, 1)),
        in_planes=in_planes and n_channels > 1,
        run=run if predictor == _DIFFERENCES else 0,
        tags=grey,
        strips=(places, lengths),
        fault=next((sentence for is_fault, sentence in faults if is_fault), ""),
    )


def _greys(page: Page) -> Iterator[dict[int, Sequence[int]]]:
    """Yield the tags of each grey page that a page is decoded as."""
    places, lengths = page.strips
    wide = 1 if page.in_planes else page.n_channels
    tags = {**page.tags, _WIDTH: [page.width * wide], _COLOURS: [1], _CHANNELS: [1], _PLANES: [1]}
    in_tiles = _TILE_WIDTH in tags
    if in_tiles:
        tags[_TILE_WIDTH] = [tags[_TILE_WIDTH][0] * wide]
    of_places, of_lengths = (_TILE_OFFSETS, _TILE_COUNTS) if in_tiles else (_OFFSETS, _COUNTS)
    each = len(places) // page.n_greys
    for number in range(page.n_greys):
        own = slice(number * each, (number + 1) * each)
        yield {**tags, of_places: places[own], of_lengths: lengths[own]}


def _directory(
    order: str, place: int, tags: Mapping[int, Sequence[int]], *, is_last: bool
) -> bytes:
    """Encode a directory of whole numbers (TIFF 6.0, section 2), with the place of the next one, which follows it."""
    beyond = place + 2 + 12 * len(tags) + 4
    entries, outside = b"", b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(packed) > 4:
            outside, packed = outside + packed, struct.pack(f"{order}I", beyond + len(outside))
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
    following = 0 if is_last else beyond + len(outside)
    count = struct.pack(f"{order}H", len(tags))
    return count + entries + struct.pack(f"{order}I", following) + outside
