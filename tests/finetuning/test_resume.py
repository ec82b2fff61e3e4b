"""A fine-tuning that is cut off goes on from its checkpoint."""

import logging
from types import SimpleNamespace

import pytest

from reb_pipeline.core import resumable_training as shared
from reb_pipeline.finetuning import training
from tiny_finetuning import Memory, exact, make_donors, make_task, run, snapshot, write_stem


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_stem(tmp_path_factory.mktemp("weights") / "stem.pth")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return make_task(tmp_path_factory.mktemp("task"), make_donors(5))


def test_an_interrupted_run_goes_on_bit_by_bit(weights, task, monkeypatch, caplog):
    """Cut off while the head learns alone, at the change, and while all learns."""
    monkeypatch.setattr(training, "VALIDATE_EVERY", 2)
    uninterrupted, history = run(weights, task)
    assert len(history.validations) == 2
    monkeypatch.setattr(shared, "CHECKPOINT_SECONDS", -1)
    for stop_after in (1, 2, 3):
        checkpoint = Memory(stop_after)
        with pytest.raises(KeyboardInterrupt):
            run(weights, task, checkpoint)
        with caplog.at_level(logging.INFO):
            resumed, same_history = run(weights, task, checkpoint)
        assert f"Going on after update {stop_after} of the checkpoint" in caplog.text
        assert same_history == history
        assert snapshot(resumed) == snapshot(uninterrupted)
        assert checkpoint.writes == 4


@pytest.mark.parametrize("changes", [{"origin": "elsewhere"}, {"updates": 5}, {"seed": 1}])
def test_a_checkpoint_of_another_run_is_not_used(weights, task, monkeypatch, caplog, changes):
    monkeypatch.setattr(shared, "CHECKPOINT_SECONDS", -1)
    checkpoint = Memory(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(weights, task, checkpoint)
    with caplog.at_level(logging.INFO):
        network, history = run(weights, task, checkpoint, **changes)
    assert "of other data, weights or settings: starting anew" in caplog.text
    fresh, fresh_history = run(weights, task, **changes)
    assert history == fresh_history
    assert snapshot(network) == snapshot(fresh)


def test_a_finished_run_is_not_trained_again(weights, task, monkeypatch):
    checkpoint = Memory()
    finished, history = run(weights, task, checkpoint)
    monkeypatch.setattr(training, "_update", lambda *_: pytest.fail("trained again"))
    network, same_history = run(weights, task, checkpoint)
    assert same_history == history
    assert snapshot(network) == snapshot(finished)
    assert checkpoint.writes == 1


def test_checkpoints_are_written_now_and_then_and_at_the_end(weights, task, monkeypatch):
    checkpoint = Memory()
    run(weights, task, checkpoint, updates=3)
    assert checkpoint.writes == 1  # within the first half minute there is only the last
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(shared, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    checkpoint = Memory()
    run(weights, task, checkpoint, updates=5)
    assert checkpoint.writes == 3  # every second update of 20 s, and the last
