"""The benchmarks run from end to end, at sizes that say nothing about speed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_what_can_be_measured_is_and_what_cannot_is_told(tmp_path):
    table, figure = tmp_path / "peers.md", tmp_path / "peers.png"
    out = run(
        "benchmarks.peers", "--quick", "--phase", "pixels", "density",
        "--out", str(table), "--figure", str(figure),
    )  # fmt: skip
    (row,) = [line for line in out.splitlines() if line.startswith("| density")]
    assert "K = 9" in row
    assert "failed" not in row
    missing = "- pixels maps was not measured: anomalib is not installed" in out
    assert missing == (find_spec("anomalib") is None)
    assert table.read_text() == out
    assert figure.stat().st_size > 1000


def test_growth_is_measured_and_drawn(tmp_path):
    out = run("benchmarks.growth", "--quick", "--curves", "search", "--out", str(tmp_path))
    assert "| 500 |" in out
    assert "| 1,000 |" in out
    assert {file.name for file in tmp_path.iterdir()} == {
        "growth.md", "growth_time.png", "growth_memory.png",
    }  # fmt: skip


def test_updates_are_measured_beside_rebuilds(tmp_path):
    out = run("benchmarks.bank_update", "--quick", "--repeats", "1", "--out", str(tmp_path))
    assert "| 6 | +1 −1 |" in out
    assert (tmp_path / "bank_update.md").read_text() == out


def test_intervals_of_every_method_are_simulated(tmp_path):
    sizes = ("--simulations", "2", "--resampled", "1", "--out", str(tmp_path))
    out = run("benchmarks.interval_coverage", *sizes)
    assert out.count("| 14, 40 | 99.5 | ") == 4
    assert out.count("| 176, 313 |") == 4 * 4 + 1
    assert (tmp_path / "interval_coverage.md").read_text() == out


def test_killed_runs_are_repeated(tmp_path):
    out = run("benchmarks.kills", "--quick", "--moments", "before", "--out", str(tmp_path))
    assert out.splitlines()[2:] == [
        "| ssl_finetune | 1 | 1 | 0 | 0 | 0 |",
        "| evaluation | 1 | 1 | 0 | 0 | 0 |",
    ]
    assert (tmp_path / "kills.md").read_text() == out
