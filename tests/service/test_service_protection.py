"""Budgets of a request, headers of every answer, other hosts' pages, full disks, logs and signals."""

import json
import logging
import re
import signal
import tempfile
import time

import pytest
from asking import ask, metrics_of, serving
from pretend_inspector import PretendInspector
from uploads_made import image_file, noise_file, png_bomb

from reb_pipeline.service import cli
from reb_pipeline.service.app import create_app
from reb_pipeline.service.logs import JsonLines, RateLimit
from reb_pipeline.service.settings import MIB, ServiceSettings
from served import Served


def sent(*files):
    return [("images", ("a", data)) for data in files]


def statuses(response):
    return [item["status"] for item in response.json()["results"]]


def test_the_pixels_of_a_request_are_limited():
    image = image_file(size=(20, 10))
    with serving(max_pixels=250, max_request_pixels=500) as client:
        response = client.post("/inspect/batch", files=sent(image, image, image, b"text"))
        assert statuses(response) == [200, 200, 413, 415]
        assert "more than 500 pixels together" in response.json()["results"][2]["detail"]
        for _ in range(3):  # each request has its own
            assert client.post("/inspect", files={"image": image}).status_code == 200


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_broken_images_use_the_pixels_too(kind):
    whole = noise_file(kind, side=64)
    broken = whole[: len(whole) // 2]
    with serving(max_request_pixels=9000) as client:
        found = statuses(client.post("/inspect/batch", files=sent(broken, broken, broken, whole)))
    assert found == [422, 422, 413, 413]


def test_images_refused_without_decoding_use_no_pixels():
    with serving(max_pixels=1000, max_request_pixels=1000) as client:
        files = sent(png_bomb(800), image_file(size=(40, 25)))
        assert statuses(client.post("/inspect/batch", files=files)) == [413, 200]


def test_a_request_has_a_deadline():
    inspector = PretendInspector(seconds=0.4)
    with serving(inspector, request_seconds=1) as client:
        began = time.monotonic()
        response = client.post("/inspect/batch", files=sent(*20 * [image_file()]))
        assert response.status_code == 503
        assert "within 1 s" in response.json()["detail"]
        assert int(response.headers["retry-after"]) >= 1
        assert time.monotonic() - began < 6  # all would take eight seconds
        assert metrics_of(client)["reb_places_taken",] == 0
        assert client.post("/inspect", files={"image": image_file()}).status_code == 200


@pytest.mark.parametrize("size", [2 * MIB, 10])
def test_a_full_temporary_folder_is_no_broken_form(size, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    image = image_file()
    with serving() as client:
        response = client.post("/inspect", files={"image": image + bytes(size)})
    if size < MIB:
        assert response.status_code == 200
    else:
        assert response.status_code == 503
        assert "space" in response.json()["detail"]
        assert str(tmp_path) not in response.text
        assert any("TMPDIR" in record.getMessage() for record in caplog.records)


ANSWERS = [
    ("GET", "/", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/health", 200),
    ("GET", "/static-offline-docs/swagger-ui.css", 200),
    ("GET", "/nothing", 404),
    ("GET", "/inspect", 405),
    ("GET", "/metrics", 401),
    ("POST", "/inspect", 401),
    ("HEAD", "/nothing", 404),
    ("OPTIONS", "/inspect", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_every_answer_has_headers_for_browsers(method, path, status):
    with serving(api_key="secret") as client:
        response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("script-src" in policy) == (path in ("/", "/docs"))


def test_also_those_of_our_errors():
    with serving(PretendInspector(fails=True)) as client:
        response = client.post("/inspect", files={"image": image_file()})
    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/health", "/", "/metrics", "/openapi.json"])
def test_head_is_get_without_the_body(path):
    with serving() as client:
        head, get = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


def test_pages_of_other_hosts_need_permission():
    page = {"Origin": "https://line.example"}
    asked = {**page, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "X-API-Key"
    with serving(allow_origin=("https://line.example",), api_key="secret") as client:
        assert client.options("/inspect", headers=asked).status_code == 200
        key = {"X-API-Key": "secret"}
        for found in (
            client.post("/inspect", files={"image": image_file()}, headers={**page, **key}),
            client.post("/inspect", headers=page),
        ):
            assert found.headers["access-control-allow-origin"] == "https://line.example"
        other = client.get("/health", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
    with serving() as client:
        assert "access-control-allow-origin" not in client.get("/health", headers=page).headers


def test_an_origin_is_checked_at_the_start(capsys):
    for origin in ("line.example", "https://line.example/", "*", "https://a b"):
        assert cli.main(["--model", "x", "--allow-origin", origin]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"Error: --allow-origin {origin} cannot be used: "), error
        assert "https://line.example:8443" in error
    given = ["https://a.example", "http://b:8080"]
    assert cli._settings(None, {"allow_origin": given}).allow_origin == tuple(given)


def test_a_word_of_the_client_does_not_fill_the_log(caplog):
    caplog.set_level(logging.INFO, logger="reb_pipeline.service")
    with serving() as client:
        client.request(1000 * "X", "/health")
    (line,) = [one for one in map(JsonLines().format, caplog.records) if '"request"' in one]
    assert len(line) < 300


def test_absurd_lengths_are_no_error_of_ours():
    app = create_app(PretendInspector(), ServiceSettings())
    form = ("Content-Type", "multipart/form-data; boundary=x")
    for length in (5000 * "9", "-1", "x"):
        status, *_ = ask(app, "/inspect", [b"--x"], [form, ("Content-Length", length)])
        assert status in (400, 413, 422)


def record_of(**fields):
    record = logging.LogRecord("reb_pipeline", logging.INFO, "", 0, "request", (), None)
    record.fields = fields
    record.created = 0.0
    return record


def test_lines_of_one_kind_are_limited_and_counted():
    limit = RateLimit(burst=5, per_second=1)
    passed = [limit.filter(record_of(path="/health", status=200, verdict=None)) for _ in range(100)]
    assert sum(passed) == 5
    assert limit.filter(record_of(path="/health", status=503, verdict=None))  # another kind
    later = record_of(path="/health", status=200, verdict=None)
    later.created = 1.0
    assert limit.filter(later)
    assert json.loads(JsonLines().format(later))["left_out"] == 95


@pytest.mark.parametrize(
    ("verdict", "passes"),
    [("good", True), (["unreadable", "good"], True), (["unreadable"], False), (None, False)],
)
def test_lines_of_inspected_images_are_not_limited(verdict, passes):
    limit = RateLimit(burst=0)
    assert limit.filter(record_of(path="/inspect", status=200, verdict=verdict)) is passes


def test_the_end_of_the_terminal_is_a_way_to_end():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # inherited; nohup may run the tests
    try:
        served = Served.pretending(0)
    finally:
        signal.signal(signal.SIGHUP, before)
    served.process.send_signal(signal.SIGHUP)
    assert served.ended() == 0
    assert not [line for line in served.lines if line["level"] == "ERROR"]


def test_nohup_is_respected(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited
    try:
        served = Served.pretending(0)
    finally:
        signal.signal(signal.SIGHUP, before)
    served.process.send_signal(signal.SIGHUP)
    assert served.post(image_file())[0] == 200
    served.process.terminate()
    assert served.ended() == 0


def test_the_page_and_the_documentation_run_under_their_policies():
    with serving() as client:
        for page in ("/", "/docs"):
            response = client.get(page)
            policy = response.headers["content-security-policy"]
            if re.search(r"<script[^>]+src=", response.text):
                assert "script-src 'self'" in policy
            if "<script>" in response.text:
                assert "'unsafe-inline'" in policy
