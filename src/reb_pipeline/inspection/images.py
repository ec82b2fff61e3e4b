"""Image files from anywhere, decoded with care."""

import numpy as np

from reb_pipeline.images.decoding import decode_image, to_rgb

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


def read_image(data: bytes, source: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file by its content, upright as its EXIF orientation says.

    Args:
        data: The bytes of a PNG, JPEG, BMP, TIFF or WebP file, whatever its name.
        source: What the error calls the image.
        max_pixels: Most pixels to decode; above Pillow's own limit of 179 million that one holds.

    Returns:
        uint8 [height, width, 3] RGB; grey is repeated, 16 bits are scaled to 8, transparency dropped.

    Raises:
        reb_pipeline.images.decoding.UnknownFormatError: If it is none of these formats.
        reb_pipeline.images.decoding.TooManyPixelsError: If it has more pixels; none of them was decoded.
        reb_pipeline.images.decoding.UnreadableImageError: If it is broken or has 32-bit pixels.
        All three are InputErrors.
    """
    name = f"'{source}'"
    return to_rgb(decode_image(data, name, FORMATS, max_pixels), name)
