"""Inspection works where only its own requirements can be imported: no PyTorch, Kedro, pandas or OpenCV."""

import json
import sys

import cv2
import numpy as np
import pytest

from lean import run_lean
from miniatures import draw_part, write_image
from reb_pipeline.inspection import Inspector, read_image
from tiny_model import write_tiny

pytest.importorskip("onnx")

SCRIPT = """
import json, sys, time

folder, image, engine = sys.argv[1:]
start = time.perf_counter()
from reb_pipeline.inspection import Inspector, read_image

inspector = Inspector.load(folder, engine)
seconds = time.perf_counter() - start
with open(image, "rb") as file:
    found = inspector.inspect(read_image(file.read(), image))
patches = inspector.explain(found)
inspector.calibration.statement()
slow = sorted({"scipy", "fsspec.implementations.http"} & set(sys.modules))
ids = [patch.image_id for patch in patches]
print(json.dumps([found.image_score, found.verdict, ids, seconds, slow]))
"""


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_verdict(tmp_path, engine):
    pytest.importorskip(engine)
    folder = write_tiny(tmp_path / "model")
    write_image(tmp_path / "part.png", draw_part(7, "dark_spot")[0])
    more = ("openvino",) if engine == "openvino" else ()
    run = run_lean(SCRIPT, folder, tmp_path / "part.png", engine, more=more)
    assert run.returncode == 0, run.stderr
    score, verdict, image_ids, seconds, slow = json.loads(run.stdout)
    assert slow == []  # they take longer to import than all that a verdict needs
    inspector = Inspector.load(folder, engine)
    expected = inspector.inspect(read_image((tmp_path / "part.png").read_bytes(), "part.png"))
    assert (score, verdict) == (expected.image_score, expected.verdict)
    assert image_ids == [patch.image_id for patch in inspector.explain(expected)]
    sys.stdout.write(f"{engine}: imported and loaded in {seconds:.2f} s\n")


def test_the_service_can_be_imported():
    modules = "app, connections, server"
    run = run_lean(f"from reb_pipeline.service import {modules}")
    assert run.returncode == 0, run.stderr


def test_libraries_of_the_training_are_named_where_they_are_missing(tmp_path):
    deep = np.full((4, 4, 3), 40000, np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    script = """
import sys
from reb_pipeline.inspection import read_image

read_image(open(sys.argv[1], "rb").read(), "deep.png")
"""
    run = run_lean(script, tmp_path / "deep.png")
    reason = "has colours of 16 bits, which only OpenCV decodes"
    assert f"{reason}: run `pip install opencv-python-headless`." in run.stderr
