"""From textures to a decoder, from the decoder to residual maps; the encoder is a small random network."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from reb_pipeline.core import resumable_training as shared
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import NoCheckpoint
from reb_pipeline.datasets import WeightsDataset
from reb_pipeline.reconstruction.features import FeatureReconstructor, train_feature_decoder
from reb_pipeline.reconstruction.settings import FeatureReconstructionSettings
from tiny_finetuning import Memory, exact

SIDE = 64
SETTINGS = {"updates": 120, "batch_size": 8, "learning_rate": 0.005, "seed": 0}
LOSSES = ["squared", "cosine"]


@pytest.fixture(autouse=True, scope="module")
def _exact():
    with exact():
        yield


def texture(seed):
    """Waves of one wavelength at any phase, as a smooth surface under changing light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / 8
    phase, brightness = rng.uniform(0, 6.28), rng.uniform(0.8, 1.2)
    wave = brightness * np.sin(x + 0.5 * y + phase)
    return np.stack([wave, np.cos(x + phase), 0.5 * wave], axis=2).astype(np.float32)


def encode(images):
    """Levels of strides 2, 4 and 8."""
    torch.manual_seed(0)
    channels = [3, 8, 12, 16]
    layers = [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels)]
    x, levels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), []
    with torch.inference_mode():
        for layer in layers:
            x = layer(x).relu()
            levels.append(x.permute(0, 2, 3, 1).contiguous().numpy())
    return levels


def stream(images):
    levels = encode(images)
    return [(str(i), [level[i] for level in levels]) for i in range(len(images))]


GOOD = [texture(seed) for seed in range(12)]
HELD_OUT = [texture(seed) for seed in range(100, 106)]


def fit(loss="cosine", checkpoint=None, good=GOOD, held_out=HELD_OUT, **changes):
    return train_feature_decoder(
        iter(stream(good)) if good else iter(()),
        len(good),
        held_out=iter(stream(held_out)) if held_out else None,
        settings=FeatureReconstructionSettings(loss=loss, **{**SETTINGS, **changes}),
        checkpoint=checkpoint or NoCheckpoint(),
        config={"backbone": "waves"},
    )


@pytest.fixture(scope="module")
def trained(_exact):
    return {loss: fit(loss) for loss in LOSSES}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_falls_on_held_out_images_too(trained, loss):
    _, history = trained[loss]
    losses = [update["loss"] for update in history["updates"]]
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:5])
    assert [v["update"] for v in history["validations"]] == [50, 100, 120]
    assert history["validations"][-1]["loss"] < 0.5 * np.mean(losses[:5])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_defect_has_the_highest_residual(trained, loss):
    image = HELD_OUT[0].copy()
    image[16:32, 32:48] = np.random.default_rng(0).normal(size=(16, 16, 3))
    found = FeatureReconstructor(trained[loss][0]).residuals(encode([image]))
    for residual in found:
        n = len(residual[0])
        y, x = np.unravel_index(residual[0].argmax(), residual[0].shape)
        assert n / 4 - 1 <= y <= n / 2
        assert n / 2 - 1 <= x <= 3 * n / 4
        assert residual.max() > 3


def test_the_deepest_level_cannot_be_copied():
    """A sixteenth of the numbers tells a sixteenth of white noise; without a bottleneck two thirds are drawn soon."""
    rng = np.random.default_rng(0)
    noise = [(str(i), [rng.normal(size=(8, 8, 16)).astype(np.float32)]) for i in range(40)]
    weights, history = train_feature_decoder(
        noise[:32],
        32,
        held_out=noise[32:],
        settings=FeatureReconstructionSettings(
            loss="squared", updates=200, batch_size=8, learning_rate=0.01
        ),
        checkpoint=NoCheckpoint(),
        config={},
    )
    assert history["validations"][-1]["loss"] > 0.85
    assert weights.state["usual"].item() == pytest.approx(history["validations"][-1]["loss"], 1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_is_the_usual_residual_of_held_out_images(trained, loss):
    for residual in FeatureReconstructor(trained[loss][0]).residuals(encode(HELD_OUT)):
        assert residual.dtype == np.float32
        assert residual.mean() == pytest.approx(1, rel=0.01)


def test_without_held_out_images_it_is_that_of_the_training():
    for held_out in (None, []):
        weights, history = fit(held_out=held_out, updates=3)
        assert history["validations"] == []
        for residual in FeatureReconstructor(weights).residuals(encode(GOOD)):
            assert residual.mean() == pytest.approx(1, rel=0.01)


def test_images_all_alike_leave_numbers():
    black = [np.zeros((SIDE, SIDE, 3), np.float32)] * 3
    weights, _ = fit("squared", good=black, held_out=None, updates=2)
    for residual in FeatureReconstructor(weights).residuals(encode([*black, GOOD[0]])):
        assert np.isfinite(residual).all()


def test_an_interrupted_training_ends_bit_by_bit_like_another(monkeypatch):
    uninterrupted, history = fit(updates=6)
    monkeypatch.setattr(shared, "CHECKPOINT_SECONDS", -1)
    checkpoint = Memory(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        fit(checkpoint=checkpoint, updates=6)
    resumed, same_history = fit(checkpoint=checkpoint, updates=6)
    assert checkpoint.writes == 6
    assert same_history == history
    assert resumed.fingerprint == uninterrupted.fingerprint
    fit(checkpoint=checkpoint, updates=6, good=GOOD[1:])
    assert checkpoint.writes == 12  # other features begin anew


def test_the_file_keeps_all_that_is_needed(trained, tmp_path):
    weights, _ = trained["cosine"]
    assert weights.config == {
        "backbone": "waves",
        "shapes": [[32, 32, 8], [16, 16, 12], [8, 8, 16]],
        "loss": "cosine",
        "settings": SETTINGS,
    }
    record = "reb_pipeline.core.network_weights.NetworkWeights"
    dataset = WeightsDataset(record=record, filepath=str(tmp_path / "decoder.safetensors"))
    dataset.save(weights)
    loaded = dataset.load()
    assert loaded.config == weights.config
    levels = encode(HELD_OUT)
    pairs = (FeatureReconstructor(w).residuals(levels) for w in (weights, loaded))
    for one, same in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, same)


def test_levels_of_another_backbone_are_refused(trained):
    levels = encode(HELD_OUT)
    with pytest.raises(InputError, match=r"\(8, 8, 16\)\] are not those that the decoder was tr"):
        FeatureReconstructor(trained["cosine"][0]).residuals(levels[1:])


def test_too_few_images_are_refused():
    for n in (0, 1):
        with pytest.raises(InputError, match=f"{n} good images are too few"):
            fit(good=GOOD[:n])
