"""Images as files, files as text, numbers as JSON."""

import base64
import io

import numpy as np

from reb_pipeline.calibration.verdicts import can_flag


def jpeg(image: np.ndarray, quality: int = 80) -> bytes:
    """Encode an image, uint8 [h, w, 3] RGB, as a JPEG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def in_base64(data: bytes) -> str:
    """Encode bytes as base64 text for JSON."""
    return base64.b64encode(data).decode("ascii")


def finite(threshold: float) -> float | None:
    """Replace an infinite threshold by None, since JSON has no infinity."""
    return threshold if can_flag(threshold) else None
