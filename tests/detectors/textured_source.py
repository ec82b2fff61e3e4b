"""Images of a smooth texture, and features of three levels that a fixed projection makes of them."""

import numpy as np

SIDE = 64
GRIDS = {"fine": (16, 6), "middle": (8, 8), "coarse": (4, 10)}  # positions a side, channels


def draw_textures(n_images, seed, defective=()):
    """Waves, a little shifted, uint8 [n_images, SIDE, SIDE, 3]; defective ones have a checkered square."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.empty((n_images, SIDE, SIDE, 3), np.uint8)
    for n, (phase, shade) in enumerate(rng.uniform(0, [0.5, 20], (n_images, 2))):
        wave = 110 + shade + 40 * np.sin(x / 8 + phase)
        images[n] = np.clip(wave + rng.normal(0, 3, (SIDE, SIDE)), 0, 255)[..., None]
    for n in defective:
        images[n, 32:48, 16:32] = 255 * ((y // 2 + x // 2) % 2)[32:48, 16:32, None]
    return images


class TexturedSource:
    """A feature source of such images."""

    def __init__(self, images, image_ids=None):
        self.images = images
        self.image_ids = image_ids or [f"image {n}" for n in range(len(images))]

    @property
    def layers(self):
        return list(GRIDS)

    def levels(self, layers=None):
        for image_id, image in zip(self.image_ids, self.images, strict=True):
            yield image_id, [self._features(image, layer) for layer in layers or GRIDS]

    def patches(self, layers=None):
        assert layers is None
        for image_id, (finest, *_) in self.levels():
            yield image_id, finest

    def pixels(self, side):
        step = SIDE // side
        yield from zip(self.image_ids, self.images[:, ::step, ::step], strict=True)

    def take(self, order):
        return TexturedSource(self.images[list(order)], [self.image_ids[n] for n in order])

    @staticmethod
    def _features(image, layer):
        """Pixels of a position, projected at random and folded as by a network's non-linearity."""
        n, channels = GRIDS[layer]
        step = SIDE // n
        tiles = image[..., 0].reshape(n, step, n, step).transpose(0, 2, 1, 3).reshape(n, n, -1)
        weights = np.random.default_rng(step).normal(size=(step * step, channels)) / step
        return np.abs((tiles / 255 - 0.5) @ weights).astype(np.float32)
