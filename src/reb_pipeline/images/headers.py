"""Headers of TIFF and PNG files: their statements about the samples, and the kinds that are not read faithfully."""

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reb_pipeline.images.value_range import CONTAINER

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_INFLATED_AT_ONCE = 2**20  # bytes
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Tags of TIFF 6.0.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _OFFSETS = 256, 257, 258, 259, 262, 273
_CHANNELS, _ROWS, _COUNTS, _MAX, _PLANES = 277, 278, 279, 281, 284
_EXTRA, _FORMAT, _SCALED_MAX = 338, 339, 341
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # sample formats
_WHITE_IS_ZERO, _RGB, _YCBCR = 0, 2, 6
# Channels of the colours that are read, by TIFF's photometric interpretation.
_COLOUR_CHANNELS = {_WHITE_IS_ZERO: 1, 1: 1, _RGB: 3, 3: 1, 5: 4, _YCBCR: 3}
_ALPHA = (1, 2)  # extra samples: associated and unassociated alpha
# Bits of grey samples that are read, by sample format.
_GREY_BITS = {_UNSIGNED: (1, 2, 4, 8, 12, 16, 32), _SIGNED: (16, 32), _FLOAT: (32,)}
_FORMATS = {_UNSIGNED: "unsigned", _SIGNED: "signed", _FLOAT: "float"}


@dataclass(frozen=True)
class Header:
    """Statements of a file about its samples; the default stands for formats of 8 bits.

    Attributes:
        kind: "TIFF", "PNG" or empty.
        bits: Bits of a sample.
        channels: Samples of a pixel, with alpha.
        is_signed: True for signed integers.
        stated: Largest values that a sample can have by the file's statement; empty if it states nothing but ``bits``.
        fault: Why its pixels are not read, the predicate of a sentence; empty if they are.
        n_pixels: Number of pixels of the first page of a TIFF; 0 for other formats.
    """

    kind: str = ""
    bits: int = 8
    channels: int = 3
    is_signed: bool = False
    stated: tuple[int, ...] = ()
    fault: str = ""
    n_pixels: int = 0

    @property
    def is_deep_colour(self) -> bool:
        """True if it has several channels of more than 8 bits, which Pillow cuts to 8."""
        return self.bits > 8 and self.channels > 1


def read_header(data: bytes) -> Header:
    """Read what a file states about its samples; a broken header is left to the decoder.

    Args:
        data: The bytes of the file.
    """
    try:
        if is_tiff(data):
            return _tiff(data)
        if data[:8] == _PNG:
            return _png(data)
    except Exception:  # Pillow's reader of tags raises many kinds of exceptions
        return Header("TIFF" if is_tiff(data) else "PNG")
    return Header()


def png_ends_early(data: bytes) -> bool:
    """Return True if a PNG holds fewer rows than its header says, which decoders fill with zeros.

    Args:
        data: The bytes of the file, with a valid header.
    """
    width, height, bits, colour_type, _, _, is_interlaced = struct.unpack(">IIBBBBB", data[16:29])
    # Start and step of the columns and rows of each pass (PNG specification, 8.2).
    passes = (
        (0, 8, 0, 8),
        (4, 8, 0, 8),
        (0, 4, 4, 8),
        (2, 4, 0, 4),
        (0, 2, 2, 4),
        (1, 2, 0, 2),
        (0, 1, 1, 2),
    )
    expected = 0
    for x, step_x, y, step_y in passes if is_interlaced else ((0, 1, 0, 1),):
        columns, rows = len(range(x, width, step_x)), len(range(y, height, step_y))
        row_bytes = 1 + math.ceil(columns * bits * _PNG_CHANNELS[colour_type] / 8)
        expected += rows * row_bytes if columns else 0
    inflate = zlib.decompressobj()
    for name, chunk in _png_chunks(data):
        pending = chunk if name == b"IDAT" else b""
        while pending and expected > 0:
            expected -= len(inflate.decompress(pending, _INFLATED_AT_ONCE))
            pending = inflate.unconsumed_tail
    return expected - len(inflate.flush()) > 0


def _png(data: bytes) -> Header:
    """Read IHDR and sBIT (PNG specification, 11.2.2 and 11.3.3.4)."""
    bits, colour_type = data[24], data[25]
    stated: tuple[int, ...] = ()
    for name, chunk in _png_chunks(data):
        if name == b"IDAT":
            break
        if name == b"sBIT" and bits == 16 and max(chunk) < bits:
            # Encoders should scale such values to 16 bits; cameras' tools do not.
            stated = (2 ** max(chunk) - 1, CONTAINER)
    return Header("PNG", bits, _PNG_CHANNELS[colour_type], stated=stated)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def directories(data: bytes) -> Iterator[Any]:
    """Read the directory of each page of a TIFF file: its tags, as Pillow reads them.

    Args:
        data: The bytes of the file.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    start = data[: 16 if b"+" in data[2:4] else 8]
    file, place, seen = io.BytesIO(data), ImageFileDirectory_v2(start).next, set[int]()
    while place and place not in seen:  # a broken file may lead back
        seen.add(place)
        tags = ImageFileDirectory_v2(start)
        file.seek(place)
        tags.load(file)
        yield tags
        place = tags.next


def is_tiff(data: bytes) -> bool:
    """Return True for the bytes of a TIFF file."""
    return data[:4] in _TIFF


def _tiff(data: bytes) -> Header:
    tags = next(directories(data))
    bits = numbers(tags, _BITS, (1,))
    channels = int(tags.get(_CHANNELS, len(bits)))
    formats = numbers(tags, _FORMAT, (_UNSIGNED,))
    return Header(
        "TIFF",
        max(bits),
        channels,
        is_signed=_SIGNED in formats,
        stated=stated_by(tags, max(bits)),
        fault=_fault(tags, bits, channels, formats),
        n_pixels=int(tags.get(_WIDTH, 0)) * int(tags.get(_HEIGHT, 0)),
    )


def numbers(tags: Any, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the values of a tag; the default if the directory lacks it."""
    value = tags.get(tag, default)
    return tuple(value) if isinstance(value, tuple) else (value,)


def stated_by(tags: Any, bits: int) -> tuple[int, ...]:
    """Return the largest value that a file states, if it is that of a depth between 8 bits and those of a sample."""
    depths = [2**n - 1 for n in range(9, 16)]
    if bits in range(9, 16):
        return (2**bits - 1,)
    if bits == 16:
        for tag in (_SCALED_MAX, _MAX):
            found = [int(value) for value in numbers(tags, tag, ()) if value in depths]
            if found:
                return (max(found),)
    return ()


def _fault(tags: Any, bits: Sequence[int], channels: int, formats: Sequence[int]) -> str:
    colours = int(tags.get(_COLOURS, 1))
    extra = numbers(tags, _EXTRA, ())
    depth, is_alone = max(bits), channels == 1
    is_alpha = not extra or (len(extra) == 1 and extra[0] in _ALPHA)
    expected = _COLOUR_CHANNELS.get(colours, 0)
    faults = (
        (not expected, f"has colours that are not read (photometric interpretation {colours})"),
        (len(set(bits)) > 1, f"has samples of different depths ({', '.join(map(str, bits))} bits)"),
        (
            not is_alpha or channels not in (expected, expected + 1),
            f"has {channels} channels where {expected} and at most one of transparency are read",
        ),
        (
            is_alone and depth not in _GREY_BITS.get(formats[0], ()),
            f"has {_FORMATS.get(formats[0], 'unknown')} samples of {depth} bits",
        ),
        (
            depth <= 8 and set(formats) != {_UNSIGNED},
            f"has samples of {depth} bits that are not unsigned",
        ),
        (
            depth > 8 and colours == _WHITE_IS_ZERO,
            f"stores white as 0 in samples of {depth} bits",
        ),
        (
            depth > 8 and not is_alone and colours != _RGB,
            f"has {channels} channels of {depth} bits that are not red, green and blue",
        ),
        (
            depth > 8 and not is_alone and (depth != 16 or set(formats) != {_UNSIGNED}),
            f"has colours of {depth} bits that are not unsigned 16-bit numbers",
        ),
        (
            depth > 8 and not is_alone and tags.get(_PLANES, 1) != 1,
            f"stores channels of {depth} bits in separate planes",
        ),
        (
            strips_differ(tags, depth, channels, colours),
            "has more rows by its header than it holds",
        ),
    )
    return next((sentence for is_fault, sentence in faults if is_fault), "")


def strips_differ(tags: Any, bits: int, channels: int, colours: int) -> bool:
    """Return True if there are fewer strips, or fewer bytes in uncompressed ones, than the size needs."""
    counts = numbers(tags, _COUNTS, ())
    if _OFFSETS not in tags or not counts:
        return False  # in tiles, or without the numbers to check
    width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    planes = channels if tags.get(_PLANES, 1) == 2 else 1
    rows = min(int(tags.get(_ROWS, height)), height)
    if len(counts) < planes * math.ceil(height / rows):
        return True
    row_bytes = math.ceil(width * bits * channels / planes / 8)
    is_plain = (
        tags.get(_COMPRESSION, 1) == 1 and colours != _YCBCR
    )  # whose colours have fewer samples
    return is_plain and sum(counts) < planes * height * row_bytes
