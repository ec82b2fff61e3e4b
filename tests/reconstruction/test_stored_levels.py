import numpy as np
import pytest
import torch

from reb_pipeline.core.errors import InputError
from reb_pipeline.reconstruction.stored_levels import StoredLevels

SHAPES = [(4, 3, 2), (2, 2, 5)]


def levels_of(n_images, seed=0, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    scales = [np.linspace(0.1, 10, shape[2]) for shape in shapes]
    return [
        (
            str(image),
            [
                (rng.normal(3, 1, shape) * scale).astype(np.float32)
                for shape, scale in zip(shapes, scales, strict=True)
            ],
        )
        for image in range(n_images)
    ]


def test_images_come_back_in_any_order(tmp_path):
    levels = levels_of(20)
    stored = StoredLevels.write(tmp_path / "levels", iter(levels))
    assert len(stored) == 20
    assert stored.shapes == SHAPES
    indices = np.array([7, 0, 19])
    for level, found in enumerate(stored.batch(indices)):
        assert found.dtype == torch.float16
        expected = np.stack([levels[index][1][level] for index in indices])
        np.testing.assert_allclose(found.float().numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("n_images", [2, 16, 20])
def test_statistics_of_channels(tmp_path, n_images):
    levels = levels_of(n_images)
    stored = StoredLevels.write(tmp_path / "levels", levels)
    for level, (mean, std) in enumerate(stored.statistics()):
        rows = np.concatenate(
            [grids[level].reshape(-1, grids[level].shape[2]) for _, grids in levels]
        )
        np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-3)
        np.testing.assert_allclose(std, rows.std(axis=0), rtol=1e-2)


def test_the_digest_tells_features_apart(tmp_path):
    digests = [
        StoredLevels.write(tmp_path / "levels", levels_of(n, seed)).digest
        for n, seed in ((3, 0), (3, 0), (3, 1), (2, 0))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_features_beyond_half_precision_stay_numbers(tmp_path):
    stored = StoredLevels.write(tmp_path / "levels", [("a", [np.full((1, 1, 2), 1e6, np.float32)])])
    assert stored.batch(np.array([0]))[0].isfinite().all()


def test_no_images(tmp_path):
    assert len(StoredLevels.write(tmp_path / "levels", [])) == 0


def test_images_of_other_shapes_are_refused(tmp_path):
    other = levels_of(1, shapes=[(4, 3, 2), (2, 2, 6)])
    with pytest.raises(InputError, match=r"\(2, 2, 6\)\] are not those .* \(2, 2, 5\)\]: take"):
        StoredLevels.write(tmp_path / "levels", [*levels_of(2), *other])
