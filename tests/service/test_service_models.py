"""The interface below /v1/models: models, bodies, options and fields; the former paths answer the same."""

import io
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import ask, metrics_of, serving
from PIL import Image
from pretend_inspector import PretendInspector
from uploads_made import giant_header, image_file, noise_file

from reb_pipeline.service import answers
from reb_pipeline.service.app import create_app
from reb_pipeline.service.settings import MIB, ServiceSettings

V1 = "/v1/models/screw"
PNG = {"Content-Type": "image/png"}
FORM = ("Content-Type", "multipart/form-data; boundary=x")


@pytest.fixture(scope="module")
def client():
    with serving() as opened:
        yield opened


def post(client, path, data, query="", **headers):
    return client.post(f"{path}{query}", content=data, headers={**PNG, **headers})


def test_a_model_says_what_it_can_do(client):
    found = client.get(V1).json()
    assert found == {
        "name": "screw",
        "model_id": PretendInspector.model_id,
        "written": "2026-01-31T09:15:00Z",
        "can_flag": True,
        "image_threshold": 0.5,
        "doubtful_threshold": None,
        "false_alarm_rate": 0.05,
        "doubtful_rate": None,
        "calibration_images": 2,
        "calibration": "2 images are too few, so every part is undecided.",
        "stores_marks": False,
    }
    assert client.get("/v1/models").json() == {"models": [found]}


def test_a_model_without_a_threshold_says_that_too():
    with serving(PretendInspector(threshold=math.inf)) as client:
        found = client.get(V1).json()
    assert (found["can_flag"], found["image_threshold"]) == (False, None)


def test_a_model_with_two_thresholds_answers_doubtful():
    with serving(PretendInspector(threshold=0.7, doubtful_threshold=0.3)) as client:
        model = client.get(V1).json()
        assert (model["doubtful_threshold"], model["doubtful_rate"]) == (0.3, 0.1)
        found = [post(client, f"{V1}/inspect", image_file(grey)).json() for grey in (51, 127, 204)]
        page = post(client, f"{V1}/inspect/overlay", image_file(127))
        batch = client.post("/inspect/batch", files=[("images", image_file(127))]).json()
        metrics = client.get("/metrics").text
    assert [one["verdict"] for one in found] == ["good", "doubtful", "defective"]
    assert {one["doubtful_threshold"] for one in found} == {0.3}
    assert page.headers["X-Verdict"] == batch["results"][0]["verdict"] == "doubtful"
    assert 'reb_verdicts_total{verdict="doubtful"} 3.0' in metrics


@pytest.mark.parametrize("path", ["", "/inspect", "/inspect/overlay", "/inspect/batch"])
def test_another_model_is_not_found(client, path):
    ways = client.post if path else client.get
    response = ways(f"/v1/models/scew{path}")
    assert response.status_code == 404
    assert response.json()["detail"] == "Model 'scew' is unknown: did you mean 'screw'?"


def test_a_name_may_have_spaces_and_signs():
    inspector = PretendInspector()
    inspector.name = "M3 x 8 & more"
    with serving(inspector) as client:
        assert client.get("/v1/models/M3%20x%208%20%26%20more").json()["name"] == inspector.name
        assert "/v1/models/M3%20x%208%20%26%20more/inspect" in client.get("/openapi.json").text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_an_image_may_be_the_body_itself(client, kind):
    data = image_file(51, kind=kind)
    raw = post(client, f"{V1}/inspect", data, **{"Content-Type": f"Image/{kind}"}).json()
    form = client.post(f"{V1}/inspect", files={"image": data}).json()
    assert raw == form
    assert raw["verdict"] == "good"


def test_the_overlay_of_a_body(client):
    response = post(client, f"{V1}/inspect/overlay", image_file(size=(20, 10)))
    assert response.headers["x-verdict"] == "defective"
    assert Image.open(io.BytesIO(response.content)).size == (20, 10)


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 415), (b"text", 415), (giant_header(), 413), (noise_file()[:800], 422)],
    ids=["nothing", "text", "giant", "truncated"],
)
def test_a_body_that_is_no_image_is_refused_in_one_sentence(client, data, status):
    response = post(client, f"{V1}/inspect", data)
    assert response.status_code == status
    assert response.json()["detail"].startswith("Image 'image' ")
    assert "\n" not in response.json()["detail"]


def test_other_bodies_are_refused_with_what_to_send(client):
    for kind in ("application/octet-stream", "application/json", ""):
        response = post(client, f"{V1}/inspect", image_file(), **{"Content-Type": kind})
        assert response.status_code == 415
        assert "multipart/form-data" in response.json()["detail"]
        assert "image/png" in response.json()["detail"]
    batch = post(client, f"{V1}/inspect/batch", image_file())
    assert batch.status_code == 415
    assert "'images'" in batch.json()["detail"]


def test_a_body_has_the_same_limits_as_a_form():
    app = create_app(PretendInspector(), ServiceSettings(max_upload_mib=1, max_pixels=200))
    endless = (bytes(MIB // 4) for _ in range(1000))
    status, _, _, taken = ask(app, f"{V1}/inspect", endless, list(PNG.items()))
    assert (status, taken) == (413, 5)
    image = image_file(size=(20, 10))
    filled = [image, bytes(MIB - len(image))]
    assert ask(app, f"{V1}/inspect", filled, list(PNG.items()))[0] == 200
    assert ask(app, f"{V1}/inspect", [image_file(size=(20, 11))], list(PNG.items()))[0] == 413


def test_nothing_is_read_or_shown_without_the_key():
    app = create_app(PretendInspector(), ServiceSettings(api_key="secret"))
    for way in ("/inspect", "/inspect/batch", "/inspect/overlay"):
        for name in ("screw", "other"):
            status, _, body, taken = ask(app, f"/v1/models/{name}{way}", [b"x"], [FORM])
            assert (status, taken) == (401, 0)
            assert b"screw" not in body
    with serving(api_key="secret") as client:
        for path in ("/v1/models", V1, "/v1/models/other"):
            assert client.get(path).status_code == 401
        key = {"X-API-Key": "secret"}
        assert client.get(V1, headers=key).status_code == 200
        assert post(client, f"{V1}/inspect", image_file(), **key).status_code == 200


@pytest.mark.parametrize(
    ("path", "option", "sentence"),
    [
        ("/inspect", "ovrelay=true", "Option 'ovrelay' is unknown: did you mean 'overlay'?"),
        ("/inspect", "x=1", "Option 'x' is unknown: known are map, overlay, explain."),
        ("/inspect/batch", "Map=false", "Option 'Map' is unknown: did you mean 'map'?"),
        ("/inspect/overlay", "map=false", "Option 'map' is unknown: none is known here."),
        ("", "verbose=1", "Option 'verbose' is unknown: none is known here."),
    ],
)
def test_misspelt_options_are_refused(client, path, option, sentence):
    field = "images" if "batch" in path else "image"
    files = {field: image_file()}
    url = f"{V1}{path}?{option}"
    response = client.post(url, files=files) if path else client.get(url)
    assert response.status_code == 422
    assert response.json() == {"detail": sentence}


def test_misspelt_values_are_refused(client):
    response = post(client, f"{V1}/inspect", image_file(), "?map=flase")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("map: ")


@pytest.mark.parametrize(
    ("path", "field"),
    [("inspect", "image"), ("inspect/overlay", "image"), ("inspect/batch", "images")],
)
def test_misspelt_fields_are_refused(client, path, field):
    misspelt = f"{field[:-1]}a"
    sentence = {"detail": f"Field '{misspelt}' is unknown: did you mean '{field}'?"}
    for form in (
        {"files": {misspelt: image_file()}},
        {"files": {field: image_file()}, "data": {misspelt: "1"}},
    ):
        response = client.post(f"{V1}/{path}", **form)
        assert response.status_code == 422
        assert response.json() == sentence


def test_a_batch_ends_at_the_pixels_of_a_request_not_at_a_small_number_of_images():
    image = image_file(size=(20, 10))
    files = [("images", (f"{k}", image)) for k in range(100)]
    with serving(max_request_pixels=90 * 200) as client:
        results = client.post(f"{V1}/inspect/batch?map=false", files=files).json()["results"]
    assert [item["status"] for item in results] == 90 * [200] + 10 * [413]
    assert [item["filename"] for item in results] == [f"{k}" for k in range(100)]


QUERIES = ["", "?map=false", "?overlay=true&explain=true", "?map=perhaps"]


@pytest.mark.parametrize("query", QUERIES)
def test_the_former_paths_answer_the_same(client, query):
    for way, field in (("/inspect", "image"), ("/inspect/batch", "images")):
        for data in (image_file(0), image_file(255), b"text", giant_header()):
            sent = {"files": {field: ("a.png", data)}}
            former, now = (client.post(f"{at}{way}{query}", **sent) for at in ("", V1))
            assert (former.status_code, former.json()) == (now.status_code, now.json())
    former, now = (
        client.post(f"{at}/inspect/overlay", files={"image": image_file(255)}) for at in ("", V1)
    )
    assert former.content == now.content
    assert former.headers["x-verdict"] == now.headers["x-verdict"] == "defective"


def test_the_former_paths_take_forms_only(client):
    response = post(client, "/inspect", image_file())
    assert response.status_code == 415
    assert response.json()["detail"].startswith("Send multipart/form-data")


def test_the_former_paths_still_ignore_what_they_do_not_know(client):
    for way, field in (("/inspect", "image"), ("/inspect/batch", "images")):
        response = client.post(
            f"{way}?time=123", files={field: image_file(0)}, data={"station": "3"}
        )
        assert response.status_code == 200
    assert client.post("/inspect/overlay?map=1", files={"image": image_file(0)}).status_code == 200


def test_both_ways_share_places_and_metrics():
    inspector = PretendInspector(seconds=0.2)
    with serving(inspector, queue=0) as client, ThreadPoolExecutor() as pool:
        sent = [
            pool.submit(client.post, f"{at}/inspect", files={"image": image_file(0)})
            for at in ("", V1, "", V1)
        ]
        statuses = [future.result().status_code for future in sent]
        found = metrics_of(client)
    assert statuses.count(200) >= 1
    assert set(statuses) <= {200, 429}
    assert inspector.most_at_once == 1
    answered = [
        found.get(("reb_requests_total", f"{at}/inspect", "200"), 0)
        for at in ("", "/v1/models/{name}")
    ]
    assert sum(answered) == found["reb_verdicts_total", "good"] == statuses.count(200)


def test_the_documentation_has_examples_that_are_valid_and_marks_former_paths(client):
    described = client.get("/openapi.json").json()
    for name in ("Answer", "Batch", "Marks", "Model", "Models"):
        (example,) = described["components"]["schemas"][name]["examples"]
        getattr(answers, name).model_validate(example)
    for path, ways in described["paths"].items():
        for way in ways.values():
            assert bool(way.get("deprecated")) == path.startswith("/inspect"), path
            for status, answer in way["responses"].items():
                if path.startswith(("/inspect", "/v1")) and int(status) >= 400:
                    assert answer["content"]["application/json"]["example"]["detail"], (
                        path,
                        status,
                    )
    content = described["paths"]["/v1/models/{name}/inspect"]["post"]["requestBody"]["content"]
    assert content.keys() == {
        "multipart/form-data", "image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp",
    }  # fmt: skip
    name, *_ = described["paths"]["/v1/models/{name}"]["get"]["parameters"]
    assert name["examples"] == {"screw": {"value": "screw"}}
    assert "'http://127.0.0.1:8000/v1/models/screw/inspect" in described["info"]["description"]
