"""Random features in place of a network's."""

import numpy as np

GRIDS = {"fine": (4, 6, 3), "coarse": (2, 3, 5)}  # height, width, channels


class FakeSource:
    """A feature source of arrays, ``grids[layer]`` float32 [images, h, w, channels]; finest layer first."""

    def __init__(self, grids, pooled, image_ids=None):
        self.grids, self._pooled = grids, pooled
        self.image_ids = image_ids or [f"image {n}" for n in range(len(pooled))]

    @property
    def layers(self):
        return list(self.grids)

    def patches(self, layers=None):
        chosen = [self.grids[layer] for layer in layers or self.grids]
        height, width = chosen[0].shape[1:3]
        same_size = [
            grid.repeat(height // grid.shape[1], 1).repeat(width // grid.shape[2], 2)
            for grid in chosen
        ]
        yield from zip(self.image_ids, np.concatenate(same_size, axis=3), strict=True)

    def pooled(self):
        return self._pooled

    def fused(self):
        """All that ``patches()`` streams, float32 [images, h, w, channels]."""
        return np.stack([grid for _, grid in self.patches()])

    def take(self, order):
        """Some of the images, in another order."""
        return FakeSource(
            {layer: grid[order] for layer, grid in self.grids.items()},
            self._pooled[order],
            [self.image_ids[n] for n in order],
        )

    def shifted(self, offset):
        """The same images, ``offset`` added to every patch feature."""
        grids = {layer: grid + np.float32(offset) for layer, grid in self.grids.items()}
        return FakeSource(grids, self._pooled, self.image_ids)


def random_source(n_images, seed=0, grids=None, channels=6):
    """Gaussian features of ``n_images`` images; the pooled ones all point roughly one way, as a network's do."""
    rng = np.random.default_rng(seed)
    return FakeSource(
        {
            layer: rng.normal(size=(n_images, *shape)).astype(np.float32)
            for layer, shape in (grids or GRIDS).items()
        },
        rng.normal(3, 1, (n_images, channels)).astype(np.float32),
    )
