"""A packaged model with a pose: parts at any angle get the verdict of the aligned image, marks lie in the picture."""

import json

import numpy as np
import pytest
from PIL import Image

from lean import run_lean
from posed_parts import HEIGHT, WIDTH, draw
from reb_pipeline.images.golden import with_limits
from reb_pipeline.images.pose import RIGID, Pose
from reb_pipeline.images.region import Region
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.folder import inspect_folder
from reb_pipeline.service.answers import Extras, answer
from tiny_model import SCORING, train, write_tiny

pytest.importorskip("onnx")

SIZE = [HEIGHT, WIDTH]
GOOD = {f"good/{n}": draw(n, 30 * n, n % 4, -n % 3) for n in range(1, 9)}
HELD_OUT = {f"held out/{n}": draw(50 + n, 47 * n, -n % 4, n % 3) for n in range(19)}
PLAIN = Pose.to(draw(), RIGID)
POSE = with_limits(PLAIN, [PLAIN.placed(image) for image in GOOD.values()])
REGION = Region.of_polygons([[(0.2, 0.1), (0.8, 0.1), (0.8, 0.9), (0.2, 0.9)]])
SCORES = SCORING.model_copy(update={"image_score": "mean_max"})
TRAINING = {
    "size": SIZE, "scoring": SCORES, "pose": POSE, "good": GOOD, "held_out": HELD_OUT, "region": REGION
}  # fmt: skip
DEGREES, RIGHT, DOWN = 117, 5, -4


def with_spot(x, y, **pose):
    """A part with a bright spot, 6 pixels wide, and the centre (x, y) of the spot in the picture."""
    spotted = draw(77)
    spotted[y - 3 : y + 3, x - 3 : x + 3] = 255
    angle = np.deg2rad(pose["degrees"])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([WIDTH - 1, HEIGHT - 1]) / 2
    at = turn @ (np.array([x - 0.5, y - 0.5]) - centre) + centre + (pose["right"], pose["down"])
    image = draw(77, **pose)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image[np.hypot(columns - at[0], rows - at[1]) < 4] = 255
    return image, at


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("posed") / "model", **TRAINING)


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


def test_a_packaged_model_aligns_and_scores_as_in_training(inspector):
    _, calibration, _ = train(**TRAINING)
    few = list(HELD_OUT.values())[:5]
    scores = [inspector.inspect(image).image_score for image in few]
    np.testing.assert_allclose(scores, calibration.image_scores[:5], rtol=1e-4)


def test_a_spot_is_marked_where_it_lies_in_the_picture(inspector):
    image, at = with_spot(56, 60, degrees=DEGREES, right=RIGHT, down=DOWN)
    found = inspector.inspect(image)
    assert found.verdict == "defective"
    y, x = np.unravel_index(found.anomaly_map.argmax(), found.anomaly_map.shape)
    assert np.hypot(x - at[0], y - at[1]) < 8  # a patch
    x, y, width, height = found.worst_patch
    assert x - 1 <= at[0] <= x + width + 1
    assert y - 1 <= at[1] <= y + height + 1
    inside = [
        x <= at[0] <= x + w and y <= at[1] <= y + h for x, y, w, h in (d.box for d in found.defects)
    ]
    assert any(inside)
    assert found.placement.degrees == pytest.approx(DEGREES, abs=1)
    assert found.to_dict()["pose"] == {
        "degrees": pytest.approx(DEGREES, abs=1),
        "right": pytest.approx(RIGHT / WIDTH, abs=0.01),
        "down": pytest.approx(DOWN / HEIGHT, abs=0.01),
    }


def test_the_region_turns_with_the_part(inspector):
    found = inspector.inspect(draw(70, 90))
    columns = np.flatnonzero(found.region.any(axis=0))
    rows = np.flatnonzero(found.region.any(axis=1))
    # In the golden image 77 pixels wide and 77 high, around the centre: turned it is the same, but for the border.
    assert (columns[0], columns[-1]) == pytest.approx((25, 102), abs=2)
    assert (rows[0], rows[-1]) == pytest.approx((9, 86), abs=2)
    outside = np.full((HEIGHT, WIDTH), True)
    outside[found.region] = False
    assert (
        found.anomaly_map[outside].max() < 0.01
    )  # but for the pixels that the border passes through
    assert not found.defects


def test_folder_journal_and_service_answer_alike(inspector, folder, tmp_path):
    image, _ = with_spot(56, 60, degrees=DEGREES, right=RIGHT, down=DOWN)
    Image.fromarray(image).save(tmp_path / "part.png")
    Image.fromarray(np.maximum(draw(1, right=-34), draw(2, 90, right=30))).save(
        tmp_path / "two.png"
    )
    files = {}
    found = inspector.inspect(image)
    first = {one.row["path"]: one.row for one in inspect_folder(inspector, str(tmp_path), files)}
    boxes = [list(defect.box) for defect in found.defects]
    assert json.loads(first["part.png"]["boxes"]) == boxes
    assert first["two.png"]["verdict"] == "undecided"
    assert first["two.png"]["reason"].startswith("The part could not be aligned: ")
    assert first["two.png"]["image_score"] is None
    served = answer(inspector, image, Extras(overlay=True), "")
    assert served.image_score == found.image_score
    assert [list(one.box) for one in served.defects] == boxes
    assert served.pose.model_dump() == found.pose
    of_rows = {
        path: [row[f"pose_{name}"] for name in ("degrees", "right", "down")]
        for path, row in first.items()
    }
    assert of_rows == {"part.png": list(found.pose.values()), "two.png": [None] * 3}
    assert (
        answer(inspector, np.asarray(Image.open(tmp_path / "two.png")), Extras(), "").pose is None
    )
    # At another rate the journal is marked anew, without the network.
    other = Inspector.load(folder, false_alarm_rate=0.3)
    again = {one.row["path"]: one.row for one in inspect_folder(other, str(tmp_path), files)}
    now = other.inspect(image)
    assert now.defects[0].area != found.defects[0].area
    assert json.loads(again["part.png"]["boxes"]) == [list(one.box) for one in now.defects]
    assert again["part.png"]["pose_degrees"] == found.pose["degrees"]


def test_a_model_that_aligns_says_what_it_needs_where_opencv_is_missing(folder):
    script = (
        "import sys; from reb_pipeline.inspection import Inspector; Inspector.load(sys.argv[1])"
    )
    run = run_lean(script, folder)
    assert "Parts are aligned by OpenCV, which is not installed: run `pip install" in run.stderr


def test_the_golden_image_and_its_limits_are_a_part_that_older_readers_refuse(folder):
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["parts"]["pose"]["required"]
    assert manifest["features"]["pose"] == POSE.statement
    assert Inspector.load(folder).placement(GOOD["good/3"]) == POSE.placed(GOOD["good/3"])
