"""Files that are sent to the service: good ones, broken ones, bombs."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def image_file(brightness=200, size=(20, 10), kind="PNG", mode="RGB", **options):
    """An image of one brightness as a file; size is width, height."""
    file = io.BytesIO()
    Image.new("L", size, brightness).convert(mode).save(file, kind, **options)
    return file.getvalue()


def noise_file(kind="JPEG", side=64):
    """An image that does not compress to next to nothing."""
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def png_bomb(side):
    """A whole, valid PNG of one bit a pixel: a square of 100 megapixels has 12 kB."""
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


def giant_header():
    """The beginning of a PNG that says it has more pixels than any memory."""
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"")


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
