"""`kedro server start`: health, snapshot, and runs that are refused in one sentence."""

import json
import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

import miniatures
from conftest import ROOT, read_json


@pytest.fixture(scope="module")
def server():
    """Ask a server of the environment `folder`; its first request is a run, before any snapshot."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "server", "start", "--port", str(port), "--env", "folder"],
        cwd=ROOT,
        env={**os.environ, "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(
            f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"}
        )
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    for _ in range(1200):
        try:
            ask("/health")
            break
        except URLError:
            time.sleep(0.1)
    yield ask
    process.terminate()
    process.wait()


def test_the_server_runs_its_environment(server, tmp_path):
    params = {
        "data_root": str(miniatures.make_plain_folder(tmp_path / "images", "part")),
        "output_root": str(tmp_path / "out"),
    }
    ran = server("/run", {"pipeline_names": ["ingestion"], "params": params})
    assert ran["status"] == "success", ran
    manifest = read_json(tmp_path / "out/08_reporting", "run_manifest.json")
    assert manifest["finished"] is True
    assert manifest["run_id"] == ran["run_id"]


def test_the_server_says_how_it_is_and_what_there_is(server):
    assert server("/health")["status"] == "healthy"
    snapshot = server("/snapshot")
    assert snapshot["status"] == "success", snapshot
    assert {"full", "memory_bank", "part"} <= {one["name"] for one in snapshot["pipelines"]}
    assert snapshot["datasets"]["part.memory_bank"]["type"].endswith("ArraysDataset")
    assert "part" in snapshot["parameters"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"params": {"data_root": "/nowhere"}}, "Data root '/nowhere' does not exist: set"),
        ({"params": {"scoring": {"alhpa": 1}}}, "Parameter of section scoring 'alhpa' is unknown"),
        ({"params": {"categories": "part"}}, "Parameter categories = 'part' cannot be used: "),
        ({"load_versions": {"part.samples": "x"}}, "Version 'x' of dataset 'part.samples' is"),
        # Names are checked by Kedro.
        ({"pipeline_names": ["nosuch"]}, "Failed to find the pipeline named 'nosuch'"),
        ({"namespaces": ["nosuch"]}, "Pipeline does not contain nodes with the following names"),
    ],
)
def test_the_server_refuses_what_cannot_run_in_a_sentence(server, tmp_path, body, sentence):
    params = {"output_root": str(tmp_path / "out"), **body.get("params", {})}
    refused = server("/run", {**body, "params": params})
    assert refused["status"] == "failure"
    assert refused["error"]["message"].startswith(sentence), refused
