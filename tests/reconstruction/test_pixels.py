"""Good images -> a network that reconstructs them -> residuals."""

import numpy as np
import pytest

from reb_pipeline.core import resumable_training as training
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import NoCheckpoint
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.reconstruction.pixels import PATCH_SIDE, PixelReconstructor, train_pixel_model
from reb_pipeline.reconstruction.settings import PixelReconstructionSettings
from tiny_finetuning import Memory, exact

SIDE = 32


@pytest.fixture(autouse=True, scope="module")
def _exact():
    with exact():
        yield


def make_images(count, seed=0):
    """A soft wave whose phase differs a little from image to image."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = [
        128
        + 60 * np.sin(rows / 5 + rng.uniform(0, 0.5)) * np.cos(columns / 6)
        + rng.normal(0, 2, (SIDE, SIDE))
        for _ in range(count)
    ]
    images = [
        np.repeat(wave[:, :, None], 3, axis=2).clip(0, 255).astype(np.uint8) for wave in waves
    ]
    return [(f"{seed}/{index}", image) for index, image in enumerate(images)]


def run(model="autoencoder", loss="l2", images=None, held_out=None, checkpoint=None, **changes):
    settings = {"updates": 60, "batch_size": 8, "learning_rate": 0.003, **changes}
    images = make_images(12) if images is None else images
    return train_pixel_model(
        iter(images),
        len(images),
        model=model,
        held_out=held_out,
        settings=PixelReconstructionSettings(loss=loss, image_size=SIDE, **settings),
        checkpoint=checkpoint or NoCheckpoint(),
        device="cpu",
    )


@pytest.fixture(scope="module", params=PIXEL_MODELS)
def trained(request):
    return request.param, *run(request.param, held_out=iter(make_images(3, seed=1)))


def reconstructor(weights):
    return PixelReconstructor(weights, "cpu")


def test_training_learns_what_good_images_look_like(trained):
    model, weights, history = trained
    losses = [update["loss"] for update in history["updates"]]
    assert np.mean(losses[-5:]) < 0.1 * losses[0]
    assert [validation["update"] for validation in history["validations"]] == [50, 60]
    assert history["validations"][-1]["loss"] < 0.2 * losses[0]
    assert weights.config["model"] == model
    unseen = np.stack([image for _, image in make_images(3, seed=1)])
    assert np.abs(reconstructor(weights).reconstruct(unseen) - unseen / 255).mean() < 0.1


@pytest.mark.parametrize("loss", ["l2", "ssim"])
def test_a_defect_has_the_highest_residual(loss):
    weights, _ = run(loss=loss, updates=100)
    ((_, image),) = make_images(1, seed=1)
    defective = image.copy()
    defective[10:16, 18:24] = 255 - image[10:16, 18:24]
    good, bad = reconstructor(weights).residuals(np.stack([image, defective]))
    assert good.dtype == np.float32
    row, column = np.unravel_index(bad.argmax(), bad.shape)
    assert 8 <= row < 18
    assert 16 <= column < 26
    assert bad[10:16, 18:24].mean() > 3 * good[10:16, 18:24].mean()


def test_residuals_are_by_the_trained_loss(trained):
    _, weights, _ = trained
    images = np.stack([image for _, image in make_images(2, seed=2)])
    network = reconstructor(weights)
    wanted = ((network.reconstruct(images) - images / 255.0) ** 2).mean(axis=3)
    np.testing.assert_allclose(network.residuals(images), wanted, atol=1e-6)


def test_patches_have_their_mean_residual_in_any_batches(trained):
    _, weights, _ = trained
    network = reconstructor(weights)
    images = make_images(20, seed=3)  # more than a batch
    image_ids, scores = network.patch_scores(iter(images))
    assert image_ids == [image_id for image_id, _ in images]
    assert scores.shape == (20, SIDE // PATCH_SIDE, SIDE // PATCH_SIDE)
    residual = network.residuals(images[17][1][None])[0]
    for row, column in [(0, 0), (3, 5), (7, 7)]:
        block = residual[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert scores[17, row, column] == pytest.approx(block.mean(), rel=1e-4)


@pytest.mark.parametrize("model", ["autoencoder", "variational_autoencoder"])
def test_an_interrupted_training_ends_with_the_same_weights(model, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    uninterrupted, history = run(model, updates=4)
    checkpoint = Memory(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(model, updates=4, checkpoint=checkpoint)
    resumed, same_history = run(model, updates=4, checkpoint=checkpoint)
    assert checkpoint.writes == 4
    assert resumed.fingerprint == uninterrupted.fingerprint
    assert same_history == history
    # Other images are another training, which begins anew.
    other, _ = run(model, updates=4, checkpoint=checkpoint, images=make_images(12, seed=5))
    assert checkpoint.writes == 8
    assert other.fingerprint == run(model, updates=4, images=make_images(12, seed=5))[0].fingerprint


def test_what_does_not_fit_is_refused(trained):
    _, weights, _ = trained
    network = reconstructor(weights)
    with pytest.raises(
        InputError, match=r"shape \(40, 40, 3\) .* trained on 32 x 32 pixels of 3 channels"
    ):
        network.residuals(np.zeros((1, 40, 40, 3), np.uint8))
    with pytest.raises(InputError, match="no images to reconstruct"):
        network.patch_scores([])
    with pytest.raises(InputError, match="1 good images are too few"):
        run(images=make_images(1))
