"""History and checkpoint, which every training shares."""

import logging
from types import SimpleNamespace

import pytest

from reb_pipeline.core import resumable_training as training
from reb_pipeline.core.resumable_training import History, NoCheckpoint, ResumableRun


class Counter:
    """The smallest thing with a state."""

    def __init__(self):
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Kept:
    """A checkpoint in memory."""

    def __init__(self):
        self.states = []

    def read(self):
        return self.states[-1] if self.states else None

    def write(self, state):
        self.states.append(state)


def count(checkpoint, stop, identity="this", last=4):
    counter = Counter()
    run = ResumableRun(checkpoint, {"of": identity}, {"counter": counter})
    for update in range(len(run.history.updates), stop):
        counter.count += 1
        run.history.updates.append({"update": update + 1, "loss": 0.5})
        run.keep(is_last=update + 1 == last)
    return counter.count, run.history


def test_it_goes_on_where_it_was_cut_off(monkeypatch, caplog):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    checkpoint = Kept()
    count(checkpoint, stop=2)
    with caplog.at_level(logging.INFO):
        found, history = count(checkpoint, stop=4)
    assert "Going on after update 2 of the checkpoint" in caplog.text
    assert found == 4
    assert history == History([{"update": n, "loss": 0.5} for n in (1, 2, 3, 4)], [])
    assert len(checkpoint.states) == 4


def test_a_checkpoint_of_another_training_is_not_used(caplog):
    checkpoint = Kept()
    count(checkpoint, stop=4)
    with caplog.at_level(logging.INFO):
        found, history = count(checkpoint, stop=3, identity="other")
    assert "of other data, weights or settings: starting anew" in caplog.text
    assert (found, len(history.updates)) == (3, 3)


def test_it_is_written_now_and_then_and_at_the_end(monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    checkpoint = Kept()
    count(checkpoint, stop=5, last=5)
    written = [len(state["history"]["updates"]) for state in checkpoint.states]
    assert written == [2, 4, 5]  # of 20 s each


def test_without_a_checkpoint_everything_begins_anew(monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    assert [count(NoCheckpoint(), stop=3)[0] for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("stop", [0, 4])
def test_a_finished_one_stays_as_it_is(stop):
    checkpoint = Kept()
    count(checkpoint, stop=4)
    assert count(checkpoint, stop=stop)[0] == 4
    assert len(checkpoint.states) == 1
