"""Inspection works where neither PyTorch nor Kedro can be imported."""

import json
import subprocess
import sys

import pytest

from miniatures import draw_part, write_image
from reb_pipeline.inspection import Inspector, read_image
from tiny_model import write_tiny

pytest.importorskip("onnx")

SCRIPT = """
import json, sys, time

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "timm", "kedro", "kedro_datasets", "onnx"}:
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refused())
folder, image, engine = sys.argv[1:]
start = time.perf_counter()
from reb_pipeline.inspection import Inspector, read_image

inspector = Inspector.load(folder, engine)
seconds = time.perf_counter() - start
with open(image, "rb") as file:
    found = inspector.inspect(read_image(file.read(), image))
patches = inspector.explain(found)
print(json.dumps([found.image_score, found.verdict, [patch.image_id for patch in patches], seconds]))
"""


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_verdict_without_torch_and_kedro(tmp_path, engine):
    pytest.importorskip(engine)
    folder = write_tiny(tmp_path / "model")
    write_image(tmp_path / "part.png", draw_part(7, "dark_spot")[0])
    command = [sys.executable, "-c", SCRIPT, folder, tmp_path / "part.png", engine]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    score, verdict, image_ids, seconds = json.loads(run.stdout)
    inspector = Inspector.load(folder, engine)
    expected = inspector.inspect(read_image((tmp_path / "part.png").read_bytes(), "part.png"))
    assert (score, verdict) == (expected.image_score, expected.verdict)
    assert image_ids == [patch.image_id for patch in inspector.explain(expected)]
    sys.stdout.write(f"{engine}: imported and loaded in {seconds:.2f} s\n")
