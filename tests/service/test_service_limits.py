"""Bodies, places, threads and keys: what the service refuses before it works."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import ask, metrics_of, serving
from pretend_inspector import PretendInspector
from starlette.exceptions import HTTPException
from uploads_made import image_file

from reb_pipeline.service.app import create_app
from reb_pipeline.service.middleware import BoundedBody
from reb_pipeline.service.settings import MIB, ServiceSettings

FORM = ("Content-Type", "multipart/form-data; boundary=x")
HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"


def eventually(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("did not happen within 4 s")


def test_a_body_that_says_that_it_is_too_long_is_not_read():
    app = create_app(PretendInspector(), ServiceSettings(max_upload_mib=1))
    status, _, body, taken = ask(app, "/inspect", [HEAD], [FORM, ("Content-Length", str(MIB + 1))])
    assert status == 413
    assert b"1 MiB" in body
    assert taken == 0


def test_a_body_that_does_not_say_its_length_is_cut_off():
    app = create_app(PretendInspector(), ServiceSettings(max_upload_mib=1))
    endless = (HEAD if k == 0 else bytes(MIB // 4) for k in range(1000))
    status, _, _, taken = ask(app, "/inspect", endless, [FORM])
    assert status == 413
    assert taken == 5  # the head and three quarters fit


def test_a_body_of_the_longest_length_is_taken():
    app = create_app(PretendInspector(), ServiceSettings(max_upload_mib=1))
    image = image_file()
    rest = bytes(MIB - len(HEAD) - len(image) - len(TAIL))
    status, *_ = ask(
        app, "/inspect", [HEAD, image, rest, TAIL], [FORM, ("Content-Length", str(MIB))]
    )
    assert status == 200


def test_a_body_that_does_not_arrive_is_not_waited_for():
    async def application(scope, receive, send):
        await receive()

    async def receive():
        await asyncio.sleep(60)

    with pytest.raises(HTTPException) as refusal:
        asyncio.run(
            BoundedBody(application, mib=1, seconds=0.05)(
                {"type": "http", "headers": []}, receive, None
            )
        )
    assert refusal.value.status_code == 408


@pytest.mark.parametrize("headers", [[], [("X-API-Key", "guess")], [("X-API-Key", "sécret")]])
def test_nothing_is_read_without_the_key(headers):
    app = create_app(PretendInspector(), ServiceSettings(api_key="secret"))
    for path in ("/inspect", "/inspect/batch", "/inspect/overlay"):
        status, _, body, taken = ask(app, path, [HEAD], [FORM, *headers])
        assert status == 401
        assert b"X-API-Key" in body
        assert b"secret" not in body
        assert taken == 0


def test_the_key_opens_and_health_and_pages_need_none():
    with serving(api_key="sécret") as client:
        key = {"X-API-Key": "sécret".encode()}
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=key).status_code == 200
        sent = client.post("/inspect", files={"image": image_file()}, headers=key)
        assert sent.status_code == 200
        for path in ("/health", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
        assert [(s["in"], s["name"]) for s in schemes.values()] == [("header", "X-API-Key")]


def test_beyond_the_queue_is_429_and_nothing_is_read():
    gate = threading.Event()
    inspector = PretendInspector(gate)
    with serving(inspector, workers=1, queue=2) as client, ThreadPoolExecutor() as pool:
        held = [
            pool.submit(client.post, "/inspect", files={"image": image_file()}) for _ in range(3)
        ]
        eventually(lambda: metrics_of(client)["reb_queue_depth",] == 2)
        assert metrics_of(client)["reb_places_taken",] == 3

        status, headers, body, taken = ask(client.app, "/inspect", [HEAD], [FORM])

        assert (status, taken) == (429, 0)
        assert int(headers["retry-after"]) >= 1
        assert b"3 places" in body
        assert client.get("/health").status_code == 200
        gate.set()
        assert [future.result().status_code for future in held] == [200] * 3
        found = metrics_of(client)
        assert found["reb_places_taken",] == found["reb_queue_depth",] == 0
        assert client.post("/inspect", files={"image": image_file()}).status_code == 200
    assert inspector.most_at_once == 1


def test_places_come_back_after_refusals():
    with serving(queue=0) as client:
        for _ in range(3):
            assert client.post("/inspect", files={"image": b"text"}).status_code == 415
            assert client.post("/inspect?map=7", files={"image": b"text"}).status_code == 422
        assert client.post("/inspect", files={"image": image_file()}).status_code == 200


def test_as_many_at_once_as_there_are_workers():
    inspector = PretendInspector(seconds=0.1)
    with serving(inspector, workers=3) as client, ThreadPoolExecutor(6) as pool:
        sent = [
            pool.submit(client.post, "/inspect", files={"image": image_file()}) for _ in range(6)
        ]
        assert {future.result().status_code for future in sent} == {200}
    assert inspector.most_at_once == 3


def test_whoever_comes_while_it_stops_is_told():
    with serving() as client:
        client.app.state.service.turns.stopping = True
        assert client.post("/inspect", files={"image": image_file()}).status_code == 503
        health = client.get("/health")
    assert health.status_code == 503
    assert health.json()["status"] == "stopping"
