"""Image files of unusual kinds, written byte by byte where Pillow cannot."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 8, 60
RAMP8 = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
RAMP12 = np.tile(np.linspace(0, 4095, WIDTH).astype(np.uint16), (HEIGHT, 1))
RAMP16 = np.tile(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, 1))
RGB8 = np.stack([RAMP8, 255 - RAMP8, RAMP8 // 2], 2)
RGB16 = np.stack([RAMP16, 65535 - RAMP16, RAMP16 // 2], 2)


def pillow(image, kind, **options):
    """The file that Pillow writes of an image or an array."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, kind, **options
    )
    return file.getvalue()


PASSES = (
    (0, 8, 0, 8),
    (4, 8, 0, 8),
    (0, 4, 4, 8),
    (2, 4, 0, 4),
    (0, 2, 2, 4),
    (1, 2, 0, 2),
    (0, 1, 1, 2),
)


def png(pixels, *chunks, rows=None, passes=None):
    """A PNG of an array [h, w] or [h, w, channels].

    Args:
        pixels: uint8 or uint16.
        chunks: (name, data) before the pixels.
        rows: Its height by its header, if it lies.
        passes: Number of passes of an interlaced file, 7 if it is whole; None for a file that is not interlaced.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = (
        width,
        rows or height,
        8 * pixels.itemsize,
        colour_type,
        0,
        0,
        int(passes is not None),
    )
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    parts = (
        [big_endian[y::dy, x::dx] for x, dx, y, dy in PASSES[:passes]] if passes else [big_endian]
    )
    lines = b"".join(b"\0" + line.tobytes() for part in parts if part.size for line in part)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", *header)), *chunks,
        (b"IDAT", zlib.compress(lines)), (b"IEND", b""),
    ]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def tiff(pixels, *, planes=1, photometric=None, data=None, **tags):
    """A little-endian TIFF of one uncompressed strip (a strip a channel in separate planes).

    Args:
        pixels: [h, w] or [h, w, channels] of any type.
        planes: 1 for the channels of a pixel together, 2 for separate planes.
        photometric: Photometric interpretation; None takes grey or RGB.
        data: Bytes of the strip; None takes those of the pixels.
        tags: Further or other tags as t<number>, an integer or a list of integers (16 bits each).
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    whole = pixels if planes == 1 else np.moveaxis(pixels, 2, 0)
    data = whole.tobytes() if data is None else data
    n = channels if planes == 2 else 1
    entries = {
        256: [width], 257: [height], 258: [8 * pixels.itemsize] * channels, 259: [1],
        262: [(2 if channels > 2 else 1) if photometric is None else photometric],
        277: [channels], 278: [height], 284: [planes], 339: [kind] * channels,
        **{int(name[1:]): value if isinstance(value, list) else [value] for name, value in tags.items()},
    }  # fmt: skip
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    outside = b""
    entries[279], entries[273] = [len(data) // n] * n, [0] * n

    def laid_out():
        nonlocal outside
        outside, rows = b"", b""
        for tag, values in sorted(entries.items()):
            code = "I" if tag in (273, 279) else "H"
            packed = struct.pack(f"<{len(values)}{code}", *values)
            if len(packed) > 4:
                place = start + len(outside)
                outside += packed
                packed = struct.pack("<I", place)
            rows += struct.pack("<HHI", tag, 4 if code == "I" else 3, len(values)) + packed.ljust(
                4, b"\0"
            )
        return rows

    laid_out()
    first = start + len(outside)
    entries[273] = [first + number * (len(data) // n) for number in range(n)]
    rows = laid_out()
    return (
        b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + rows
        + struct.pack("<I", 0) + outside + data
    )  # fmt: skip


def packed_12_bits(values):
    """The values of 12 bits without gaps, each row from a whole byte."""
    rows = ["".join(f"{value:012b}" for value in row) for row in values]
    padded = [row + "0" * (-len(row) % 8) for row in rows]
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in padded)
