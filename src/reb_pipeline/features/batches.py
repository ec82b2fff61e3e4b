"""Batches of opened images that the memory holds, however large the images are; quick to import."""

from collections.abc import Iterable, Iterator

import numpy as np

BATCH_BYTES = 2**27  # of opened images; sixteen of 2.8 megapixels


def batches(
    images: Iterable[tuple[str, np.ndarray]], batch_size: int
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Collect images in batches; a batch ends early with the image that fills :data:`BATCH_BYTES`.

    Args:
        images: (id, uint8 [height, width, 3]) of each image, opened when it is needed.
        batch_size: Largest number of images in a batch.

    Example:
        >>> images = [(str(number), np.zeros((4, 4, 3), np.uint8)) for number in range(3)]
        >>> [[image_id for image_id, _ in batch] for batch in batches(images, 2)]
        [['0', '1'], ['2']]
    """
    batch: list[tuple[str, np.ndarray]] = []
    for one in images:
        batch.append(one)
        if len(batch) == batch_size or sum(image.nbytes for _, image in batch) >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch
