"""Sheets of thumbnails with captions, for previews."""

import io
import math
from collections.abc import Iterable

import numpy as np

SIDE = 128  # pixels of a thumbnail
_CAPTION = 18  # pixels below a thumbnail
_MARGIN = 4
_ASPECT = 1.5  # width over height of the sheet: Kedro-Viz stretches every preview to about this
_CHARACTERS = 20  # of a caption that fit below a thumbnail


def thumbnail_sheet(images: Iterable[tuple[str, np.ndarray]]) -> bytes:
    """Resize images to thumbnails and lay them out in rows, each above its caption.

    Args:
        images: (caption, uint8 [height, width, 3] RGB) of each, one in memory at a time; a long caption loses its
            beginning.

    Returns:
        A PNG file, half as wide again as it is high.
    """
    from PIL import Image, ImageDraw, ImageOps

    thumbnails = []
    for caption, pixels in images:
        image = ImageOps.contain(Image.fromarray(pixels), (SIDE, SIDE))
        thumbnails.append((caption, image))
    width, height = SIDE + _MARGIN, SIDE + _CAPTION
    columns = max(1, round(math.sqrt(_ASPECT * height / width * len(thumbnails))))
    rows = math.ceil(len(thumbnails) / columns)
    size = max(columns * width, rows * height * _ASPECT)
    sheet = Image.new("RGB", (round(size), round(size / _ASPECT)), "white")
    pen = ImageDraw.Draw(sheet)
    for position, (caption, image) in enumerate(thumbnails):
        row, column = divmod(position, columns)
        left, top = column * width, row * height
        sheet.paste(image, (left, top + SIDE - image.height))
        is_long = len(caption) > _CHARACTERS
        text = f"…{caption[1 - _CHARACTERS :]}" if is_long else caption
        pen.text((left, top + SIDE + 2), text, fill="black")
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
