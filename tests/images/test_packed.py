"""Images of packed files in a form that Pillow reads."""

import io

import numpy as np
import pytest
from PIL import Image

from reb_pipeline.images.packed import pnm_file


@pytest.mark.parametrize("shape", [(2, 5), (5, 2, 3), (1, 1)])
def test_pnm_file_is_what_pillow_reads(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pnm_file(pixels)))), pixels)
