"""Alignment of images to a golden one: known motions, ambiguous parts, pictures that show no part or two."""

import cv2
import numpy as np
import pandas as pd
import pytest

from posed_parts import HEIGHT, WIDTH, draw
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import validated
from reb_pipeline.images.golden import choose_golden, with_limits
from reb_pipeline.images.pose import RIGID, SHIFT, Placement, Pose
from reb_pipeline.images.posed import aligned, aligned_like, unaligned_at_most
from reb_pipeline.images.samples import POSE_COLUMNS, Samples
from reb_pipeline.parameters.sections import IngestionParams

POSE = with_limits(Pose.to(draw(), RIGID), [Pose.to(draw(), RIGID).placed(draw(n)) for n in (1, 2)])


@pytest.mark.parametrize(
    ("degrees", "right", "down"),
    [(0, 0, 0), (0, 9.5, -6), (30, 4, 2), (-75, -8, 3), (95, 2, 6), (178, 6, -5), (-130, 0, 0)],
)
def test_a_known_motion_is_found(degrees, right, down):
    found = POSE.placed(draw(5, degrees, right, down))
    assert not found.fault
    assert abs((found.degrees - degrees + 180) % 360 - 180) < 0.7
    assert (found.right * WIDTH, found.down * HEIGHT) == pytest.approx((right, down), abs=0.4)
    moved = found.aligned(draw(5, degrees, right, down))
    inner = np.s_[24:72, 32:96]
    assert np.abs(moved[inner].astype(int) - draw(5)[inner]).mean() < 6


def test_shift_turns_nothing():
    pose = Pose.to(draw(), SHIFT)
    found = pose.placed(draw(3, 0, 7, -5))
    assert found.degrees == 0
    assert (found.right * WIDTH, found.down * HEIGHT) == pytest.approx((7, -5), abs=0.4)


def test_an_image_where_the_part_lies_still_and_one_twice_as_large():
    large = cv2.resize(draw(4, 40, 5, 3), (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    found = POSE.placed(large)
    assert found.degrees == pytest.approx(40, abs=0.7)
    assert (found.right, found.down) == pytest.approx((5 / WIDTH, 3 / HEIGHT), abs=0.005)
    assert Placement().aligned(large) is large


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8),
        draw(1, right=56),  # half of the part is out of the picture
        draw(1, down=-40),
        np.maximum(draw(1, right=-34), draw(2, 90, right=30)),  # two parts
        draw(1, round_part=True),
        np.zeros((WIDTH, HEIGHT, 3), np.uint8),
    ],
    ids=["black", "noise", "right", "up", "two", "other", "upright"],
)
def test_what_shows_no_whole_part_is_left_as_it_was_taken_with_the_reason(image):
    found = POSE.placed(image)
    assert found.fault.startswith("The part could not be aligned: ")
    assert found.fault.endswith((".", "times."))
    assert found.aligned(image) is image


def test_a_part_without_an_angle_is_aligned_by_its_place_alone():
    good = [lambda n=n: draw(n, 33 * n, n % 3, n % 2, round_part=True) for n in range(6)]
    chosen = choose_golden(good, RIGID)
    assert chosen.pose.kind == SHIFT
    assert "looks alike at every angle" in chosen.notes[0]
    found = chosen.pose.placed(draw(9, 10, 8, 5, round_part=True))
    golden = (chosen.number % 3, chosen.number % 2)
    assert found.degrees == 0
    at = (found.right * WIDTH + golden[0], found.down * HEIGHT + golden[1])
    assert at == pytest.approx((8, 5), abs=1.0)  # a circle drawn in whole pixels, turned


def test_a_part_with_an_angle_keeps_it_and_a_part_of_two_equal_sides_is_named():
    assert choose_golden([lambda n=n: draw(n, 10 * n) for n in range(4)], RIGID).notes == []
    bar = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    bar[40:56, 30:98] = 160
    chosen = choose_golden([lambda: bar] * 3, RIGID)
    assert chosen.pose.kind == RIGID
    assert "at several angles" in chosen.notes[0]


def test_maps_and_boxes_return_to_the_image_as_it_was_taken():
    placement = Placement(degrees=90, right=0.25, down=0)
    golden_map = np.zeros((40, 80), np.float32)
    golden_map[18:22, 50:54] = 1  # 12 pixels right of the centre
    there = placement.back(golden_map, 2.0, outside=-1)
    y, x = np.argwhere(there > 0.5).mean(axis=0)
    assert (x, y) == pytest.approx((39.5 + 20, 19.5 + 12), abs=0.6)  # below the centre, and moved
    assert there[0, 0] == -1
    x, y, width, height = placement.box_back((50, 18, 4, 4), (40, 80))
    assert (x, y, width, height) == (58, 30, 4, 4)
    mask = placement.back(golden_map > 0, 2.0, outside=0)
    assert mask.dtype == bool
    assert mask[30:34, 58:62].all()
    assert mask.sum() == 16


def test_a_map_of_another_aspect_turns_as_its_image_does():
    image = draw(1, 35, 6, 4)
    placement = POSE.placed(image)
    square = cv2.resize(draw(1)[:, :, 0], (64, 64), interpolation=cv2.INTER_AREA)
    back = placement.back(square.astype(np.float32), WIDTH / HEIGHT, 40)
    as_taken = cv2.resize(image[:, :, 0], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(back - as_taken).mean() < 4


class Images:
    """Opens images by their paths."""

    category = "part"

    def __init__(self, images):
        self.images = images

    def open_image(self, path, sha256=""):
        return self.images[path]


def samples_of(images, splits):
    table = pd.DataFrame({"id": list(images), "path": list(images), "split": splits, "label": 0})
    return Samples(table, Images(images))


def test_samples_open_aligned_and_added_ones_too():
    images = {f"{n}": draw(n, 25 * n, n, -n) for n in range(6)} | {"black": np.zeros_like(draw())}
    samples = samples_of(images, [*["train"] * 5, "test", "test"])
    table = aligned(samples, RIGID)
    there = samples.only(table)
    opened = dict(there.stream())
    for n in range(1, 6):
        assert np.abs(opened[f"{n}"].astype(int) - opened["0"])[24:72, 32:96].mean() < 8
    assert opened["black"] is images["black"]
    assert table.set_index("id").loc["black", "pose_fault"].startswith("The part could not")
    assert (table["pose_fault"] != "").sum() == 1
    assert unaligned_at_most(there) == pytest.approx(3 / 6)
    np.testing.assert_array_equal(dict(there.as_taken.stream())["3"], images["3"])
    pose, again = there.pose, Pose.of_json(there.pose.as_json())
    assert pose.placed(images["4"]) == again.placed(images["4"])
    more = aligned_like(there, samples.table.iloc[[3]])
    pd.testing.assert_frame_equal(more, table.iloc[[3]])


def test_samples_that_are_not_aligned_have_no_poses():
    samples = samples_of({"a": draw(), "b": draw(1)}, ["train", "test"])
    assert aligned(samples, "as_taken") is samples.table
    assert aligned_like(samples, samples.table) is samples.table
    assert samples.pose is None
    assert unaligned_at_most(samples) == 0
    assert not set(POSE_COLUMNS) & set(samples.table)


def test_good_images_without_a_common_shape_are_refused():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8) for _ in range(8)]
    samples = samples_of({f"{n}": image for n, image in enumerate(noise)}, ["train"] * 8)
    with pytest.raises(InputError, match=r"7 of 8 good images cannot be aligned .*as_taken"):
        aligned(samples, RIGID)
    upright = samples_of({"a": draw(), "b": draw()[:, :64]}, ["train", "train"])
    with pytest.raises(InputError, match="differ in their width over height"):
        aligned(upright, RIGID)


def test_a_golden_image_without_a_pose_is_refused():
    values = {"max_unreadable_share": 0, "golden": "x.png"}
    with pytest.raises(
        InputError, match=r"ingestion.golden cannot be used: It is used by no pose.*'x.png'"
    ):
        validated(IngestionParams, values, "ingestion")
    assert validated(IngestionParams, {**values, "pose": "rigid"}, "ingestion").golden == "x.png"


def test_a_golden_image_that_is_given_is_taken(tmp_path):
    cv2.imwrite(str(tmp_path / "golden.png"), draw(0, 90))
    images = {"a": draw(1), "b": draw(2, 20)}
    opener = Images(images)
    opener.open_image = lambda path, sha256="": images.get(path, draw(0, 90))
    table = aligned(
        Samples(samples_of(images, ["train"] * 2).table, opener),
        RIGID,
        str(tmp_path / "golden.png"),
    )
    assert table["pose_degrees"].tolist() == pytest.approx([-90, -70], abs=0.7)
    assert "golden.png" in table["pose"][0]
