"""Answers of the service to images, one by one and in batches."""

import base64
import hashlib
import io
import math
import re

import numpy as np
import pytest
from asking import metrics_of, serving
from PIL import Image
from pretend_inspector import SIDE, PretendInspector
from uploads_made import giant_header, image_file, noise_file, png_bomb

from reb_pipeline.core.errors import InputError


@pytest.fixture
def client():
    with serving() as opened:
        yield opened


def send(client, data, name="a.png", query="", field="image"):
    return client.post(f"/inspect{query}", files={field: (name, data)})


def picture(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_a_defective_image(client):
    response = send(client, image_file(brightness=204, size=(20, 10)))
    assert response.status_code == 200
    found = response.json()
    grey = picture(found.pop("anomaly_map_png"))
    assert found == {
        "verdict": "defective",
        "reason": None,
        "image_score": 0.8,
        "global_score": 0.05,
        "p_value": 0.25,
        "image_threshold": 0.5,
        "doubtful_threshold": None,
        "defects": [{"box": [0, 0, 20, 10], "area": 200, "peak": 0.8}],
        "worst_patch": [0, 0, 1, 1],
        "pose": None,
        "zone": None,
        "width": 20,
        "height": 10,
        "seconds": 0.01,
        "model_id": PretendInspector.model_id,
        "image_sha256": hashlib.sha256(image_file(brightness=204, size=(20, 10))).hexdigest(),
        "anomaly_map_range": [0.0, 1.0],
        "overlay_jpeg": None,
        "nearest_good": None,
    }
    assert grey.shape == (SIDE, SIDE)
    assert grey.dtype == np.uint8
    np.testing.assert_allclose(grey / 255, 0.8, atol=0.01)


@pytest.mark.parametrize("brightness", [0, 100, 127, 128, 130, 255])
def test_what_is_marked_is_128_and_more(client, brightness):
    found = send(client, image_file(brightness)).json()
    grey = picture(found["anomaly_map_png"])
    assert (grey >= 128).all() == (found["image_score"] > 0.5)
    assert (grey < 128).all() == (found["image_score"] <= 0.5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_every_kind_of_image_is_told_by_its_content(client, kind):
    found = send(client, image_file(51, kind=kind), name="misleading.txt").json()
    assert found["verdict"] == "good"
    assert found["defects"] == []
    assert found["image_score"] == pytest.approx(0.2, abs=0.01)


def test_the_camera_may_have_lain_on_its_side(client):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    found = send(client, image_file(size=(20, 10), kind="JPEG", exif=exif)).json()
    assert (found["width"], found["height"]) == (10, 20)


def test_extras_come_when_they_are_asked_for(client):
    found = send(
        client, image_file(size=(20, 10)), query="?map=false&overlay=true&explain=true"
    ).json()
    assert found["anomaly_map_png"] is None
    assert found["anomaly_map_range"] is None
    assert picture(found["overlay_jpeg"]).shape == (10, 20, 3)
    assert [good["image_id"] for good in found["nearest_good"]] == [
        "good/<0>",
        "good/<1>",
        "good/<2>",
    ]
    assert found["nearest_good"][1]["box"] == [1, 0, 6, 4]
    assert picture(found["nearest_good"][1]["crop_png"]).shape == (4, 6, 3)


def test_the_overlay_as_a_file(client):
    response = client.post("/inspect/overlay", files={"image": image_file(size=(20, 10))})
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["x-verdict"] == "defective"
    assert Image.open(io.BytesIO(response.content)).size == (20, 10)


def test_without_a_threshold_every_part_is_undecided():
    with serving(PretendInspector(threshold=math.inf)) as client:
        found = send(client, image_file(255), query="?overlay=true").json()
        overlay = client.post("/inspect/overlay", files={"image": image_file(0)})
        batch = client.post("/inspect/batch", files=[("images", image_file(0)), ("images", b"x")])
        counted = metrics_of(client)
        health = client.get("/health").json()
    assert found["verdict"] == "undecided"
    assert found["reason"] == "2 images are too few, so every part is undecided."
    assert found["image_threshold"] is None
    assert np.isfinite(found["anomaly_map_range"]).all()
    assert overlay.headers["x-verdict"] == "undecided"
    results = batch.json()["results"]
    assert [item["verdict"] for item in results] == ["undecided", "unreadable"]
    assert results[0]["inspection"]["verdict"] == "undecided"
    verdicts = {key[1]: n for key, n in counted.items() if key[0] == "reb_verdicts_total"}
    assert verdicts == {"good": 0, "defective": 0, "undecided": 3, "unreadable": 1}
    assert (health["can_flag"], health["image_threshold"]) == (False, None)


def test_an_image_that_cannot_be_scored_is_refused_in_a_sentence(monkeypatch):
    def unsure(self, image):
        raise InputError("The scores of image 'x' are not all finite numbers.")

    monkeypatch.setattr(PretendInspector, "inspect", unsure)
    with serving() as client:
        response = send(client, image_file(0))
        batch = client.post("/inspect/batch", files=[("images", image_file(0))])
        counted = metrics_of(client)
    assert response.status_code == 422
    assert "not all finite" in response.json()["detail"]
    assert batch.json()["results"][0]["verdict"] == "undecided"
    assert counted["reb_verdicts_total", "undecided"] == 2


REFUSED = {
    "text": (b"no image at all", 415),
    "nothing": (b"", 415),
    "a document with a picture's name": (b"%PDF-1.7 ...", 415),
    "GIF": (image_file(kind="GIF"), 415),
    "truncated JPEG": (noise_file("JPEG")[:800], 422),
    "truncated PNG": (noise_file("PNG")[:800], 422),
    "32-bit pixels": (image_file(kind="TIFF", mode="F"), 422),
    "bomb": (png_bomb(10_000), 413),
    "giant header": (giant_header(), 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_inspected_is_refused_in_one_sentence(client, name):
    data, status = REFUSED[name]
    response = send(client, data)
    assert response.status_code == status
    detail = response.json()["detail"]
    assert re.fullmatch(r"Image 'a\.png' [^\n]+\.", detail), detail


def test_max_pixels_is_a_limit_of_its_own():
    with serving(max_pixels=200) as client:
        assert send(client, image_file(size=(20, 10))).status_code == 200
        assert send(client, image_file(size=(20, 11))).status_code == 413


def test_a_batch_has_a_result_for_every_file(client):
    files = {
        "bright.png": image_file(255),
        "text.png": b"no image",
        "half.jpg": noise_file()[:800],
        "bomb.png": png_bomb(10_000),
        "dark.png": image_file(0),
    }
    response = client.post(
        "/inspect/batch?map=false", files=[("images", (name, data)) for name, data in files.items()]
    )
    assert response.status_code == 200
    results = response.json()["results"]
    assert [item["filename"] for item in results] == list(files)
    assert [item["status"] for item in results] == [200, 415, 422, 413, 200]
    verdicts = [item["inspection"] and item["inspection"]["verdict"] for item in results]
    assert verdicts == ["defective", None, None, None, "good"]
    assert [item["verdict"] for item in results] == [
        "defective", "unreadable", "unreadable", "unreadable", "good",
    ]  # fmt: skip
    assert [bool(item["detail"]) for item in results] == [False, True, True, True, False]
    assert results[0]["inspection"]["anomaly_map_png"] is None


def test_wrong_forms():
    with serving(max_batch=2) as client:
        assert send(client, image_file(), field="picture").status_code == 422
        assert client.post("/inspect", data={"image": "text"}).status_code == 415
        assert (
            client.post("/inspect", files={"other": b"1"}, data={"image": "a"}).status_code == 422
        )
        assert client.post("/inspect", json={"image": "a"}).status_code == 415
        assert client.post("/inspect", content=image_file()).status_code == 415
        assert send(client, image_file(), query="?map=perhaps").json() == {
            "detail": "map: Input should be a valid boolean, unable to interpret input."
        }
        for path, field, n in (("", "image", 2), ("/batch", "images", 3)):
            files = [(field, (f"{k}.png", image_file())) for k in range(n)]
            response = client.post(f"/inspect{path}", files=files)
            assert response.status_code == 400
            assert "Too many files" in response.json()["detail"]
        broken = client.post(
            "/inspect",
            content=b"no boundary",
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert broken.status_code == 400
        charset = "multipart/form-data; boundary=x; charset=idna"
        odd = client.post(
            "/inspect",
            content=b'--x\r\ncontent-disposition: form-data; name="\xff\xfe..\xff"\r\n\r\n1\r\n--x--\r\n',
            headers={"content-type": charset},
        )
        assert odd.status_code in {400, 422}
        assert client.get("/inspect").status_code == 405
        assert client.get("/nowhere").status_code == 404


def test_our_own_defect_is_a_500_that_names_the_request_and_the_service_goes_on(caplog):
    inspector = PretendInspector(fails=True)
    with serving(inspector) as client:
        response = send(client, image_file())
        inspector.fails = False
        after = send(client, image_file())
    assert response.status_code == 500
    request_id = response.headers["x-request-id"]
    assert request_id in response.json()["detail"]
    assert "a defect of ours" not in response.text
    (record,) = [r for r in caplog.records if r.message == "unexpected error"]
    assert record.fields == {"id": request_id}
    assert after.status_code == 200
