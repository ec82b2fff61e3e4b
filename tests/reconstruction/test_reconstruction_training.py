"""The training loop that every reconstruction is trained by, on the smallest network there is."""

import numpy as np
import pytest
import torch
from torch import nn

from reb_pipeline.core import resumable_training as shared
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import NoCheckpoint
from reb_pipeline.reconstruction import training
from reb_pipeline.reconstruction.settings import ReconstructionSettings
from reb_pipeline.reconstruction.training import Reconstruction, train
from tiny_finetuning import Memory, exact, snapshot


class Toy(Reconstruction):
    """Draws four numbers through two, with noise that training alone has."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2), nn.Linear(2, 4))

    def loss(self, batch, generator):
        rows, weights = batch
        noise = 0.0
        if generator is not None:
            noise = 0.1 * torch.randn(rows.shape, generator=generator, device=rows.device)
        return ((self.net(rows + noise) - rows).square().mean(dim=1) * weights).mean()


class Rows:
    def __init__(self, n, seed=0):
        rng = np.random.default_rng(seed)
        self.rows = rng.normal(size=(n, 2)).repeat(2, axis=1).astype(np.float32)

    def __len__(self):
        return len(self.rows)

    def batch(self, indices):
        return [torch.from_numpy(self.rows[indices]), torch.ones(len(indices))]


def settings(**changes):
    defaults = {"updates": 7, "batch_size": 4, "learning_rate": 0.02, "seed": 0}
    return ReconstructionSettings(**{**defaults, **changes})


def run(checkpoint=None, data=None, held_out=None, origin="here", **changes):
    network = Toy()
    history = train(
        network,
        data or Rows(10),
        held_out or Rows(5, seed=1),
        settings(**changes),
        checkpoint or NoCheckpoint(),
        origin=origin,
    )
    return network, history


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    monkeypatch.setattr(training, "VALIDATE_EVERY", 3)
    with exact():
        yield


def test_an_interrupted_run_ends_like_an_uninterrupted_one_bit_by_bit(monkeypatch):
    uninterrupted, history = run()
    monkeypatch.setattr(shared, "CHECKPOINT_SECONDS", -1)
    for stop_after in (1, 3, 6):
        checkpoint = Memory(stop_after)
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint)
        resumed, same_history = run(checkpoint)
        assert checkpoint.writes == 7
        assert same_history == history
        assert snapshot(resumed) == snapshot(uninterrupted)


@pytest.mark.parametrize("changes", [{"origin": "elsewhere"}, {"learning_rate": 0.01}])
def test_another_origin_or_setting_begins_anew(monkeypatch, changes):
    monkeypatch.setattr(shared, "CHECKPOINT_SECONDS", -1)
    checkpoint = Memory(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint)
    network, history = run(checkpoint, **changes)
    fresh, fresh_history = run(**changes)
    assert history == fresh_history
    assert snapshot(network) == snapshot(fresh)


def test_the_history_tells_what_the_network_did():
    network, history = run()
    assert [update["update"] for update in history["updates"]] == list(range(1, 8))
    for update in history["updates"]:
        share = (update["update"] - 1) / 7
        expected = 0.02 * 0.5 * (1 + np.cos(np.pi * share))
        assert update["learning_rate"] == pytest.approx(expected)
    rng = np.random.default_rng([0, 0])
    batch = Rows(10).batch(rng.choice(10, 4, replace=False))
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    first = Toy().train().loss(batch, generator).item()
    assert history["updates"][0]["loss"] == pytest.approx(first, rel=1e-5)
    assert [v["update"] for v in history["validations"]] == [3, 6, 7]
    everything = network.eval().loss(Rows(5, seed=1).batch(np.arange(5)), None).item()
    assert history["validations"][-1]["loss"] == pytest.approx(everything, rel=1e-5)


def test_the_loss_falls():
    _, history = run(updates=200)
    losses = [update["loss"] for update in history["updates"]]
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])


def test_validation_decides_nothing():
    one, _ = run(held_out=Rows(5, seed=1))
    other, _ = run(held_out=Rows(9, seed=2))
    assert snapshot(one) == snapshot(other)
    alone = Toy()
    history = train(alone, Rows(10), None, settings(), NoCheckpoint(), origin="here")
    assert history["validations"] == []
    assert snapshot(alone) == snapshot(one)


def test_the_seed_decides_the_batches():
    assert run(seed=1)[1] != run(seed=0)[1]
    fewer_than_a_batch = run(data=Rows(3))[1]
    assert len(fewer_than_a_batch["updates"]) == 7


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match=r"^1 good images are too few .* give at least 2"):
        run(data=Rows(1))
    huge = Rows(10)
    huge.rows = huge.rows * np.float32(1e30)
    with pytest.raises(InputError, match=r"loss of update \d+ is not finite: set learning_rate"):
        run(data=huge)
