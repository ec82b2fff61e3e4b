"""A batch judges parts of several views, and one image alone is no good part."""

import pytest
from asking import metrics_of, serving
from pretend_inspector import PretendInspector
from uploads_made import image_file

from reb_pipeline.calibration.parts import Views
from reb_pipeline.inspection.part_verdicts import of_one_view


class PartInspector(PretendInspector):
    """Judges parts of two views, one image as the real one does."""

    def __init__(self):
        super().__init__()
        self.calibration.views = Views(r"^(.*)_\d+$", 2)

    def inspect(self, image):
        return of_one_view(self.calibration, super().inspect(image))


@pytest.fixture(params=[1, 2])
def client(request):
    inspector = PartInspector()
    with serving(inspector, workers=request.param) as opened:
        yield opened


def send(client, **images):
    files = [("images", (f"{name}.png", data)) for name, data in images.items()]
    response = client.post("/v1/models/screw/inspect/batch?map=false", files=files)
    assert response.status_code == 200
    return response.json()["results"]


def test_a_batch_has_the_verdict_on_the_part_of_each_file(client):
    good, other, bad = image_file(51), image_file(51, size=(20, 11)), image_file(204)
    files = {
        "a_1": good,
        "b_1": good,
        "a_2": other,
        "b_2": bad,
        "c_1": good,
        "d_1": good,
        "d_2": b"x",
        "x": good,
    }
    found = send(client, **files)
    assert [one["filename"] for one in found] == [f"{name}.png" for name in files]
    assert [one["part"] for one in found] == ["a", "b", "a", "b", "c", "d", "d", None]
    verdicts = ["good", "defective", "good", "defective", *["undecided"] * 4]
    assert [one["verdict"] for one in found] == verdicts
    inspections = [one["inspection"] for one in found]
    assert [one and one["verdict"] for one in inspections] == [*verdicts[:6], None, "undecided"]
    assert inspections[1]["image_score"] == inspections[0]["image_score"] == 0.2
    assert inspections[1]["reason"] == "The view 'b_2.png' of this part is defective."
    assert inspections[3]["reason"] is None
    assert inspections[4]["reason"].startswith("1 view of this part is there")
    assert inspections[5]["reason"].startswith("The view 'd_2.png' is unreadable: ")
    assert inspections[7]["reason"].startswith("The name of this image tells no part")
    counts = {key[1]: n for key, n in metrics_of(client).items() if key[0] == "reb_verdicts_total"}
    assert counts == {"good": 1, "defective": 1, "undecided": 3, "unreadable": 0}


def test_one_view_twice_is_no_good_part(client):
    good, other = image_file(51), image_file(51, size=(20, 11))
    names = ["a_1.png", "a_1.png", "b_1.png", "b_2.png", "c_1.png", "c_1.jpg", "/", "."]
    contents = [good, other, good, good, good, other, good, good]
    files = [("images", named) for named in zip(names, contents, strict=True)]
    response = client.post("/v1/models/screw/inspect/batch?map=false", files=files)
    found = response.json()["results"]
    assert {one["verdict"] for one in found} == {"undecided"}
    assert found[2]["inspection"]["reason"] == (
        "'b_1.png' and 'b_2.png' are one view twice, so that a view of this part is missing."
    )


def test_one_image_is_no_good_part(client):
    for brightness, verdict in ((51, "undecided"), (204, "defective")):
        answer = client.post("/v1/models/screw/inspect", files={"image": image_file(brightness)})
        assert answer.json()["verdict"] == verdict
