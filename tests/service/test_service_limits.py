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

from reb_pipeline.service import service
from reb_pipeline.service.app import create_app
from reb_pipeline.service.middleware import BoundedBody
from reb_pipeline.service.settings import MIB, ServiceSettings
from reb_pipeline.service.uploads import PixelBudget

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


class Steps(PretendInspector):
    """Inspects an image of a batch only while the next one is decoded and the last one is described."""

    def __init__(self, n_images, monkeypatch):
        super().__init__()
        self.n_images, self.inspected, self.most = n_images, 0, 0
        self.done = {"decode": 0, "described": 0}
        self.changed = threading.Condition()
        for place, name in ((PixelBudget, "decode"), (service, "described")):
            monkeypatch.setattr(place, name, self.counted(name, getattr(place, name)))

    def counted(self, name, work):
        def counting(*given):
            result = work(*given)
            with self.changed:
                self.done[name] += 1
                self.most = max(self.most, self.done["decode"] - self.done["described"])
                self.changed.notify_all()
            return result

        return counting

    def inspect(self, image):
        self.inspected += 1
        decoded = min(self.inspected + 1, self.n_images)
        expected = {"decode": decoded, "described": self.inspected - 1}
        with self.changed:
            assert self.changed.wait_for(
                lambda: all(self.done[name] >= n for name, n in expected.items()), timeout=20
            )
        return super().inspect(image)


def test_images_of_a_batch_are_decoded_and_described_while_another_is_inspected(monkeypatch):
    inspector = Steps(8, monkeypatch)
    files = [("images", (f"{k}", image_file(30 * k))) for k in range(8)]
    with serving(inspector) as client:
        results = client.post("/inspect/batch", files=files).json()["results"]
    assert [item["inspection"]["image_score"] for item in results] == pytest.approx(
        [30 * k / 255 for k in range(8)], abs=0.02
    )
    assert inspector.most <= 3  # images in memory
    assert inspector.most_at_once == 1


def test_no_more_batches_than_workers_have_several_images_in_memory(monkeypatch):
    gate = threading.Event()
    inspector = PretendInspector(gate)
    decoded, decode = [], PixelBudget.decode

    def counted(*given):
        decoded.append(given)
        return decode(*given)

    monkeypatch.setattr(PixelBudget, "decode", counted)
    files = [("images", (f"{k}", image_file())) for k in range(5)]
    with serving(inspector) as client, ThreadPoolExecutor(3) as pool:
        batches = [pool.submit(client.post, "/inspect/batch", files=files) for _ in range(3)]
        eventually(lambda: metrics_of(client)["reb_places_taken",] == 3)
        eventually(lambda: len(decoded) == 3)
        time.sleep(0.05)
        assert len(decoded) == 3  # all of one batch
        gate.set()
        assert all(len(batch.result().json()["results"]) == 5 for batch in batches)
    assert len(decoded) == 15
    assert inspector.most_at_once == 1
