"""The service and its benchmark with a packaged model."""

import subprocess
import sys

import pytest

from conftest import ROOT
from miniatures import draw_part, write_image
from reb_pipeline.inspection.inspector import Inspector
from served import Served
from tiny_model import write_tiny

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model")


def test_the_service_answers_as_the_python_api(model, tmp_path):
    served = Served("-m", "reb_pipeline.service.cli", "--model", model)
    inspector = Inspector.load(model)
    for seed, defect in ((3, "good"), (7, "dark_spot")):
        image = draw_part(seed, defect)[0]
        write_image(tmp_path / "part.png", image)
        expected = inspector.inspect(image)
        status, found = served.post(
            (tmp_path / "part.png").read_bytes(), "?explain=true&overlay=true"
        )
        assert status == 200
        assert found["verdict"] == expected.verdict
        assert found["image_score"] == expected.image_score
        assert found["global_score"] == expected.global_score
        assert found["p_value"] == expected.p_value
        assert found["worst_patch"] == list(expected.worst_patch)
        boxes = [(tuple(one["box"]), one["area"], one["peak"]) for one in found["defects"]]
        assert boxes == [(one.box, one.area, one.peak) for one in expected.defects]
        nearest = [(one["image_id"], one["distance"]) for one in found["nearest_good"]]
        assert nearest == [(one.image_id, one.distance) for one in inspector.explain(expected)]
    served.process.terminate()
    assert served.ended() == 0
    assert not [line for line in served.lines if "faiss" in line["message"].lower()]


def test_the_benchmark_runs(model, tmp_path):
    table = tmp_path / "service.md"
    subprocess.run(
        [
            sys.executable, "benchmarks/service_load.py", "--model", model, "--out", table, "--clients", "1", "2",
            "--quick", "--parsers", "h11",
        ],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    text = table.read_text()
    assert "| service, 2 clients |" in text
    assert "| 60 |" in text
    assert "**no**" not in text
    assert "| 300 silent connections | 200 |" in text
