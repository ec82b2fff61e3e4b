import numpy as np
import pytest

from reb_pipeline.figures.reconstructions import reconstructions_figure
from reb_pipeline.reconstruction.examples import Example
from reb_pipeline.reconstruction.reconstructed_defects import ReconstructedExample

SIDE = 20


def make_examples():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[4:8, 10:13] = True
    return [Example("held-out good image", images[0]), Example("scratch", images[1], mask)]


def reconstruct(peak, share=None):
    residual = np.full((SIDE, SIDE), 0.1, np.float32)
    residual[5, 11] = peak
    return ReconstructedExample(np.full((SIDE, SIDE, 3), 0.5, np.float32), residual, share)


def cells(figure):
    """The axes of images, by row: the colour bar is the last."""
    return np.array(figure.axes[:-1]).reshape(2, -1)


def draw(peak=40.0):
    networks = {
        "autoencoder": [reconstruct(0.5), reconstruct(peak, 0.07)],
        "skip_autoencoder": [reconstruct(0.4), reconstruct(0.9, 0.96)],
    }
    return reconstructions_figure(make_examples(), networks, "bolt: reconstructions"), networks


def test_each_network_has_its_reconstruction_and_residual():
    figure, networks = draw()
    axes = cells(figure)
    assert axes.shape == (2, 5)
    for column, of_model in ((1, networks["autoencoder"]), (3, networks["skip_autoencoder"])):
        for row, found in enumerate(of_model):
            assert np.array_equal(axes[row, column].images[0].get_array(), found.reconstruction)
            assert np.array_equal(axes[row, column + 1].images[0].get_array(), found.residual)
    names = [[note.get_text() for note in axis.texts] for axis in axes[0]]
    assert names == [
        ["image"], ["autoencoder:\nreconstruction"], ["residual"], ["skip autoencoder:\nreconstruction"], ["residual"]
    ]  # fmt: skip
    assert figure.get_suptitle() == "bolt: reconstructions"


def test_one_scale_leaves_usual_residuals_without_colour():
    figure, _ = draw()
    axes = cells(figure)
    norms = {axes[row, column].images[0].norm for row in (0, 1) for column in (2, 4)}
    (norm,) = norms
    assert (norm.vmin, norm.vmax) == (1, 40)
    painted = [
        (axes[1, column].images[0].to_rgba(np.array([[0.1, value]]))[0] != 1).any(axis=1).tolist()
        for column, value in ((2, 40.0), (4, 0.9))
    ]
    assert painted == [[False, True], [False, False]]


def test_without_high_residuals_the_scale_does_not_shrink():
    figure, _ = draw(peak=1.2)
    assert cells(figure)[0, 2].images[0].norm.vmax == 5


def test_defects_are_marked_and_their_share_is_written():
    figure, _ = draw()
    axes = cells(figure)
    assert [axis.get_title(loc="left") for axis in axes[:, 0]] == ["held-out good image", "scratch"]
    titles = [[axis.get_title(loc="right") for axis in row] for row in axes]
    assert titles[0] == [""] * 5
    assert titles[1] == ["", "", "draws 7% of the defect", "", "draws 96% of the defect"]
    assert len(axes[0, 0].patches) == 0
    (box,) = axes[1, 0].patches
    left, bottom, width, height = box.get_bbox().bounds
    assert left < 10
    assert left + width > 12
    assert bottom < 4
    assert bottom + height > 7


def test_a_network_has_to_reconstruct_every_example():
    with pytest.raises(ValueError, match="zip"):
        reconstructions_figure(make_examples(), {"autoencoder": [reconstruct(2.0)]}, "bolt")
