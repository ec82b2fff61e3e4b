"""The benchmark runs from end to end on a folder of a few images, which say nothing of real ones."""

import subprocess
import sys
from pathlib import Path

import miniatures

ROOT = Path(__file__).parents[2]


def test_it_measures_a_folder(tmp_path):
    miniatures.write_good(tmp_path / "good", 50)
    out = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.false_alarms", "--splits", "2",
            "--images", str(tmp_path / "good"), "--out", str(tmp_path / "out"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout  # fmt: skip
    assert out.startswith("2 random splits, 10 calibration and 15 test images")
    assert "| 1% | 0.00% | 0.00% (0.00%) | 100.0% | 0.0% |" in out  # 99 images could promise it
    assert "| 10% | 9.09% |" in out
    assert out.count(": calibrated by ") == 7
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "false_alarms.md",
        "false_alarms.png",
    }
