import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.reconstruction.examples import Example
from reb_pipeline.reconstruction.reconstructed_defects import (
    mean_share,
    reconstruct_examples,
    reconstructed_share,
    share_of_defect,
    usual_residual,
)
from reb_pipeline.scoring.anomaly_maps import anomaly_map

SIDE = 32


class Blend:
    """Draws a share of the image and else plain grey; a patch's score is its mean distance."""

    side = SIDE

    def __init__(self, share):
        self.share = share

    def reconstruct(self, images):
        return self.share * images / np.float32(255) + (1 - self.share) * np.float32(0.5)

    def patch_scores(self, images):
        image_ids, arrays = zip(*images, strict=True)
        distances = np.abs(np.stack(arrays) / np.float32(255) - self.reconstruct(np.stack(arrays)))
        blocks = distances.reshape(-1, SIDE // 4, 4, SIDE // 4, 4, 3)
        return list(image_ids), blocks.mean(axis=(2, 4, 5))


def make_example(seed=0, size=SIDE):
    rng = np.random.default_rng(seed)
    good = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    mask = np.zeros((size, size), bool)
    mask[5:12, 8:20] = True
    image = good.copy()
    image[mask] = 255 - good[mask]
    return Example("noise", image, mask, good)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_is_what_is_drawn_of_the_contrast(share):
    assert share_of_defect(Blend(share), make_example()) == pytest.approx(share, abs=1e-5)
    assert mean_share(Blend(share), [make_example(0), make_example(1)]) == pytest.approx(
        share, abs=1e-5
    )


def test_images_are_resized_to_the_network():
    good = [("", make_example().good)]
    (found,) = reconstruct_examples(Blend(0.5), [make_example(size=80)], good, sigma=4.0)
    assert found.reconstruction.shape == (SIDE, SIDE, 3)
    assert found.residual.shape == (SIDE, SIDE)
    assert found.share == pytest.approx(0.5, abs=1e-5)


@given(st.floats(-1, 2), st.integers(0, 99))
def test_share_is_the_least_squares_slope(slope, seed):
    rng = np.random.default_rng(seed)
    defective, good, of_good, noise = rng.random((4, 6, 7, 3))
    mask = rng.random((6, 7)) < 0.5
    mask[0, 0] = True
    of_defective = of_good + slope * (defective - good) + 0.1 * noise
    of_defective[~mask] = 9.0  # counts for nothing
    change, drawn = (defective - good)[mask].ravel(), (of_defective - of_good)[mask].ravel()
    wanted = np.linalg.lstsq(change[:, None], drawn, rcond=None)[0][0]
    assert reconstructed_share(defective, good, of_defective, of_good, mask) == pytest.approx(
        wanted
    )


def test_share_is_unknown_without_a_defect_to_draw():
    example = make_example()
    same = Example("same", example.good, example.mask, example.good)
    found = Example("found", example.image, example.mask)
    assert share_of_defect(Blend(1.0), same) is None
    assert share_of_defect(Blend(1.0), found) is None
    assert np.isnan(mean_share(Blend(1.0), [same, found]))
    assert mean_share(Blend(1.0), [same, example]) == pytest.approx(1)


def test_residuals_are_in_multiples_of_the_usual_one():
    rng = np.random.default_rng(0)
    good = [(str(i), rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for i in range(20)]
    network = Blend(0.0)
    usual = usual_residual(network, iter(good), sigma=4.0)
    maps = np.stack([anomaly_map(scores, SIDE, 4.0) for scores in network.patch_scores(good)[1]])
    assert (maps < usual).mean() == pytest.approx(0.99, abs=0.01)
    example = make_example()
    ((scores,),) = network.patch_scores([("", example.image)])[1:]
    (found,) = reconstruct_examples(network, [example], iter(good), sigma=4.0)
    np.testing.assert_allclose(found.residual, anomaly_map(scores, SIDE, 4.0) / usual)
