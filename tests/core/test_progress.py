"""Progress is a bar in a terminal, a line from time to time in a log, and nothing where nobody asks for it."""

import io
import sys

import pytest

from reb_pipeline.core import progress as module
from reb_pipeline.core.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, items, **given):
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(items, **{"description": "bolt: work", **given})) == [0, 1, 2, 3]
    return stream.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch):
    said = shown(monkeypatch, Terminal(), range(4))
    assert "\r" in said
    assert "100%" in said


def test_a_log_gets_whole_lines_from_time_to_time(monkeypatch):
    clock = iter(range(0, 1000, 12))
    monkeypatch.setattr(module, "monotonic", lambda: next(clock))
    said = shown(monkeypatch, io.StringIO(), range(4))
    assert said.startswith("bolt: work: 75% 3/4 [00:36<00:12")
    assert said.count("\n") == 1
    assert "\r" not in said


def test_a_log_of_work_without_a_known_length(monkeypatch):
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    lines = shown(monkeypatch, io.StringIO(), iter(range(4))).splitlines()
    assert [line.split()[2] for line in lines] == ["1it", "2it", "3it", "4it"]


def test_what_was_done_before_counts(monkeypatch):
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    said = shown(monkeypatch, io.StringIO(), range(4), total=8, initial=4)
    assert said.splitlines()[-1].startswith("bolt: work: 100% 8/8")


def test_short_work_says_nothing_in_a_log(monkeypatch):
    assert shown(monkeypatch, io.StringIO(), range(4)) == ""


@pytest.mark.parametrize("given", [{"description": None}, {}])
def test_nothing_is_shown_where_it_is_not_wanted(given, monkeypatch):
    if not given:
        monkeypatch.setenv("TQDM_DISABLE", "1")
    assert shown(monkeypatch, Terminal(), range(4), **given) == ""
