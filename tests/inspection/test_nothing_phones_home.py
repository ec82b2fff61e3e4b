"""Neither a command nor an import looks up a name, connects, or writes below the home directory."""

import json
import os
import subprocess
import sys
import threading
from http.client import HTTPConnection

import pytest

from miniatures import draw_part, write_image
from observed import Observed
from tiny_model import write_tiny

pytest.importorskip("onnx")

IN_PROCESS = """
import sys
from reb_pipeline.inspection import Inspector
import numpy as np
Inspector.load(sys.argv[1]).inspect(np.zeros((64, 64, 3), np.uint8))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model")


@pytest.fixture
def photos(tmp_path):
    write_image(tmp_path / "photos/part.png", draw_part(3)[0])
    return tmp_path / "photos"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_inspection(model, photos, tmp_path, engine):
    pytest.importorskip(engine)
    command = ["-m", "reb_pipeline.inspection.cli", photos, "--model", model, "--engine", engine]
    observed = Observed(tmp_path, *command, "--output", tmp_path / "out")
    _, errors = observed.process.communicate(timeout=300)
    assert observed.process.returncode == 0, errors
    observed.assert_nothing_left()


def test_in_process(model, tmp_path):
    observed = Observed(tmp_path, "-c", IN_PROCESS, model)
    _, errors = observed.process.communicate(timeout=300)
    assert observed.process.returncode == 0, errors
    observed.assert_nothing_left()


def test_the_service(model, photos, tmp_path):
    pytest.importorskip("uvicorn")
    observed = Observed(tmp_path, "-m", "reb_pipeline.service.cli", "--model", model, "--port", "0")
    lines = map(json.loads, observed.process.stderr)
    listening = next(line for line in lines if line["message"] == "listening")
    reader = threading.Thread(target=lambda: list(lines))
    reader.start()
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    body += (photos / "part.png").read_bytes() + b"\r\n--x--\r\n"
    connection = HTTPConnection("127.0.0.1", listening["port"], timeout=60)
    connection.request(
        "POST", "/inspect", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert connection.getresponse().status == 200
    connection.close()
    children = f"/proc/{observed.process.pid}/task/{observed.process.pid}/children"
    with open(children) as file:  # strace does not hand signals on
        served = int(file.read().split()[0]) if observed.is_traced else observed.process.pid
    os.kill(served, 15)
    assert observed.process.wait(60) == 0
    reader.join()
    observed.assert_nothing_left()


def test_openvino_converts_without_its_reports():
    pytest.importorskip("openvino")
    code = (
        "import reb_pipeline\n"
        "import openvino.tools.ovc.telemetry_utils as used, openvino.tools.ovc.telemetry_stub as stub\n"
        "assert used.tm is stub, used.tm"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
