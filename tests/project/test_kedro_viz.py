"""`kedro viz run` and `kedro viz deploy`; `kedro viz build` is in test_cli."""

import json
import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import fsspec
import pytest

from conftest import ROOT

pytest.importorskip("kedro_viz")
pytest_plugins = ["object_storage"]


def layers_and_nodes(main):
    return main["layers"], {node["name"] for node in main["nodes"]}


def test_viz_serves_the_lineage():
    """Start the server of `kedro viz run` alone: the command asks PyPI first, which tests may not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = (
        "from pathlib import Path\n"
        "from kedro_viz.server import run_server\n"
        f"run_server(port={port}, project_path=Path.cwd(), env='folder', package_name='reb_pipeline')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    main = None
    for _ in range(600):
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/main", timeout=60) as answer:
                main = json.load(answer)
            break
        except URLError:
            time.sleep(0.2)
    process.terminate()
    process.wait()
    assert main
    layers, names = layers_and_nodes(main)
    assert layers[0] == "raw"
    assert "part.memory_bank" in names


def test_viz_is_deployed_to_a_bucket(kedro, bucket):
    given = ("--platform", "aws", "--endpoint", "http://bucket.example", "--bucket-name", "bucket")
    finished = kedro("viz", "deploy", *given, KEDRO_ENV="folder")
    assert "Success" in finished.stdout + finished.stderr, finished.stderr[-1000:]
    storage = fsspec.filesystem("s3")
    storage.invalidate_cache()
    assert storage.exists(f"{bucket}/index.html")
    layers, names = layers_and_nodes(json.loads(storage.cat(f"{bucket}/api/main")))
    assert layers[0] == "raw"
    assert "part.memory_bank" in names
