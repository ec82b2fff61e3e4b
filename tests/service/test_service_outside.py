"""Service seen from outside: metrics, health, logs, its documentation and its page."""

import json
import logging
import re
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from asking import metrics_of, serving
from pretend_inspector import PretendInspector
from uploads_made import image_file

from reb_pipeline.inspection.overlay import colours
from reb_pipeline.service.logs import JsonLines


@pytest.fixture
def client():
    with serving() as opened:
        yield opened


def test_metrics_count_what_happened(client):
    before = metrics_of(client)
    assert before["reb_verdicts_total", "good"] == 0
    for data in (image_file(0), image_file(255), image_file(255), b"text"):
        client.post("/inspect", files={"image": data})
    client.post("/inspect/batch", files=[("images", image_file(0)), ("images", b"text")])
    client.get("/invented/by/anyone")
    found = metrics_of(client)  # what a batch cannot decode takes no turn
    assert found["reb_requests_total", "/inspect", "200"] == 3
    assert found["reb_requests_total", "/inspect", "415"] == 1
    assert found["reb_requests_total", "/inspect/batch", "200"] == 1
    assert found["reb_requests_total", "other", "404"] == 1
    assert found["reb_verdicts_total", "good"] == 2
    assert found["reb_verdicts_total", "defective"] == 2
    assert found["reb_verdicts_total", "unreadable"] == 2
    assert found["reb_inspection_seconds_count",] == found["reb_queue_seconds_count",] == 5
    assert found["reb_request_seconds_count", "/inspect"] == 4
    assert found["reb_p_value_count",] == 4
    assert found["reb_p_value_bucket", "0.5"] == 2
    assert found["process_resident_memory_bytes",] > 1e6
    model = ("reb_model_info", "screw", PretendInspector.model_id, version("reb-pipeline"))
    assert found[model] == 1
    assert not any("invented" in str(key) for key in found)


def test_health_names_the_model(client):
    assert client.get("/health").json() == {
        "status": "ok",
        "model": "screw",
        "model_id": PretendInspector.model_id,
        "version": version("reb-pipeline"),
        "can_flag": True,
        "image_threshold": 0.5,
    }


def test_a_line_of_the_log_for_every_request(client, caplog):
    caplog.set_level(logging.INFO, logger="reb_pipeline.service")
    response = client.post("/inspect", files={"image": ("secret name.png", image_file(255))})
    client.post("/inspect/batch", files=[("images", image_file(0)), ("images", b"text")])
    client.post("/inspect", files={"image": b"text"})
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 200, 415]
    assert [line["verdict"] for line in requests] == ["defective", ["good", "unreadable"], None]
    assert requests[0].keys() == {
        "time", "level", "message", "id", "method", "path", "status", "verdict", "ms",
    }  # fmt: skip
    assert requests[0]["id"] == response.headers["x-request-id"]
    assert len({line["id"] for line in requests}) == 3
    assert "secret" not in caplog.text


def test_a_traceback_is_a_field_of_its_line():
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "", 0, "gone %s", ("wrong",), (type(error), error, None)
        )
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "gone wrong"
    assert "RuntimeError" in json.loads(line)["traceback"]


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_pages_fetch_nothing_from_elsewhere(client, page):
    text = client.get(page).text
    fetched = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert not [link for link in fetched if re.match(r"(https?:)?//", link)], fetched
    for link in fetched:
        if not link.startswith("data:"):
            assert client.get(link if link.startswith("/") else f"/{link}").status_code == 200, link


def test_the_documentation_says_what_to_send_and_what_may_come(client):
    paths = client.get("/openapi.json").json()["paths"]
    inspections = {
        f"{at}{way}"
        for at in ("", "/v1/models/{name}")
        for way in ("/inspect", "/inspect/overlay", "/inspect/batch")
    }
    marks = {"/v1/models/{name}/marks", "/v1/models/{name}/marks/{image_sha256}"}
    models = {"/v1/models", "/v1/models/{name}"}
    assert set(paths) == {"/health", "/metrics"} | models | marks | inspections
    single = paths["/v1/models/{name}/inspect"]["post"]
    form = single["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"] == {"image": {"type": "string", "format": "binary"}}
    assert {option["name"] for option in single["parameters"]} == {
        "name", "map", "overlay", "explain",
    }  # fmt: skip
    assert {"200", "400", "401", "408", "413", "415", "422", "429", "503"} <= set(
        single["responses"]
    )
    problem = single["responses"]["422"]["content"]["application/json"]["schema"]
    assert problem["$ref"].endswith("/Problem")
    batch = paths["/v1/models/{name}/inspect/batch"]["post"]["requestBody"]["content"][
        "multipart/form-data"
    ]
    assert batch["schema"]["properties"]["images"]["type"] == "array"


def test_the_page_may_only_talk_to_the_service(client):
    response = client.get("/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "connect-src 'self'" in response.headers["content-security-policy"]
    assert "unsafe-inline" not in response.headers["content-security-policy"]
    assert not re.search(r"<script(?! src)|<style|style=| on\w+=", response.text)


def test_only_the_files_of_the_page_are_served(client):
    for name in ("style.css", "reports.css"):
        assert client.get(f"/page/{name}").headers["content-type"].startswith("text/css")
    for name in ("index.html", "..%2Fapp.py", "nothing"):
        assert client.get(f"/page/{name}").status_code == 404


def test_the_map_of_the_page_has_the_colours_of_overlays(client):
    tables = re.findall(r'tableValues="([^"]+)"', client.get("/").text)
    shown = np.array([table.split() for table in tables], float).T
    np.testing.assert_allclose(255 * shown, colours()[:, :3], atol=0.5)


def test_neither_kedro_nor_torch_is_loaded():
    code = (
        "import sys, reb_pipeline.service.server, reb_pipeline.service.cli, reb_pipeline.inspection.inspector\n"
        "print(sorted({'kedro', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
