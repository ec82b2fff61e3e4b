"""Several views of one part: the promised rate is kept for parts, and broken where images are counted."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.calibration.conformal import conformal_threshold, p_values
from reb_pipeline.calibration.parts import (
    View,
    Views,
    check_group_by,
    count_views,
    parts_of,
    verdict_on_part,
    verdicts_on_parts,
    views_of_parts,
)
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.calibration.verdicts import VERDICTS
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record, write_record

ROOT = Path(__file__).parents[2]
PATTERN = r"^(.*)_\d+$"


def calibration_of(scores, rate=0.05):
    n = len(scores)
    scores = np.asarray(scores, np.float32)
    return Calibration(
        image_scores=scores,
        peak_scores=2 * scores[::-1],
        image_ids=[f"good/{image // 2:02}_{image % 2}" for image in range(n)],
        false_alarm_rate=rate,
        source=CALIBRATION_SPLIT,
        alpha=1.0,
        coreset_fingerprint="c",
        scoring={},
        mean_features=np.arange(3 * n, dtype=np.float32).reshape(n, 3),
    )


def by_part(calibration, per_part=2):
    parts = parts_of(PATTERN, calibration.image_ids)
    return calibration.of_parts([*parts.values()], Views(PATTERN, per_part))


def test_counting_images_breaks_the_rate_of_parts_and_counting_parts_keeps_it():
    command = [sys.executable, "benchmarks/views.py", "--draws", "200"]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rows = [
        list(map(float, re.findall(r"[\d.]+", line)))
        for line in out.splitlines()
        if re.match(r"\| \d", line)
    ]
    assert len(rows) == 10
    for n_views, _, by_images, _, _, by_parts, error, above in rows:
        assert by_parts == pytest.approx(5, abs=3.5 * error)
        assert above < 10  # of 200 draws
        assert by_images == by_parts if n_views == 1 else by_images > 6


@given(st.lists(st.sampled_from("abcde"), max_size=20), st.integers(1, 3))
def test_whole_parts_are_those_of_a_plain_count(parts, per_part):
    names, rows = views_of_parts(parts, per_part)
    assert names == [part for part in dict.fromkeys(parts) if parts.count(part) == per_part]
    assert rows.shape == (len(names), per_part)
    for name, of_part in zip(names, rows, strict=True):
        assert of_part.tolist() == [row for row, part in enumerate(parts) if part == name]


def test_a_calibration_of_parts_has_the_highest_score_of_each():
    scores = np.random.default_rng(0).permutation(80)
    whole = calibration_of(scores)
    found = by_part(whole)
    highest = scores.reshape(40, 2).max(axis=1)
    np.testing.assert_array_equal(found.image_scores, highest)
    np.testing.assert_array_equal(found.peak_scores, 2 * scores[::-1].reshape(40, 2).max(axis=1))
    assert found.image_ids == [f"good/{part:02}" for part in range(40)]
    assert found.n_images == 40
    assert found.image_threshold == conformal_threshold(highest, 0.05)
    np.testing.assert_array_equal(found.p_values([60]), p_values([60], highest))
    np.testing.assert_array_equal(found.mean_features, whole.mean_features)
    by_view = whole.mean_features.reshape(40, 2, 3)
    np.testing.assert_array_equal(found.part_features, by_view.mean(axis=1))
    assert whole.part_features is whole.mean_features
    assert found.statement().startswith("Of 40 good parts of 2 views that the bank has not seen")
    assert "by 40 good parts of 2 views" in found.origin
    assert found.facts()["views"] == {"group_by": PATTERN, "per_part": 2}
    assert "views" not in whole.facts()
    assert not found.is_same(whole)


def test_a_part_that_lacks_a_view_does_not_calibrate():
    whole = calibration_of(range(9))
    assert by_part(whole).image_ids == [f"good/0{part}" for part in range(4)]
    none = by_part(calibration_of([]))
    assert none.n_images == 0
    assert none.part_features.shape == (0, 3)
    assert "cannot be promised with 0 good parts of 2 views" in none.statement()
    assert "at least 19 parts are needed" in none.statement()


def test_too_few_parts_promise_nothing_however_many_images_they_have():
    images = calibration_of(range(36))
    assert images.is_promised
    assert not by_part(images).is_promised


def test_a_record_keeps_its_views():
    file = io.BytesIO()
    write_record(by_part(calibration_of(range(40))), file)
    found = read_record(Calibration, file, is_local=False)
    assert found.views == Views(PATTERN, 2)
    assert found.image_ids[:2] == ["good/00", "good/01"]


def plain_verdict(verdicts, per_part):
    """Verdicts on parts, case by case."""
    if len(verdicts) > per_part:
        return "undecided"
    if "defective" in verdicts:
        return "defective"
    if all(one == "unreadable" for one in verdicts):
        return "unreadable" if len(verdicts) == per_part else "undecided"
    if len(verdicts) < per_part or {"unreadable", "undecided"} & set(verdicts):
        return "undecided"
    return "doubtful" if "doubtful" in verdicts else "good"


@given(st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=4), st.integers(1, 3))
def test_a_part_is_good_only_if_all_its_views_are(verdicts, per_part):
    views = [View(f"{place}.png", verdict, "Why.") for place, verdict in enumerate(verdicts)]
    found, reason = verdict_on_part(views, per_part)
    assert found == plain_verdict(verdicts, per_part)
    assert (found == "good") == (verdicts == ["good"] * per_part)
    assert bool(reason) == (found == "undecided")


@pytest.mark.parametrize(
    ("first", "second", "is_twice"),
    [
        (View("1.png", "good", "", "a"), View("2.png", "good", "", "b"), False),
        (View("1.png", "good", "", "a"), View("1.bmp", "good", "", "b"), True),
        (View("1.png", "good", "", "a"), View("1.png", "doubtful", "", "b"), True),
        (View("1.png", "good", "", "a"), View("2.png", "good", "", "a"), True),
        (View("x/1.png", "good"), View("y/1.png", "good"), False),
    ],
)
def test_one_view_twice_is_not_two_views(first, second, is_twice):
    found, reason = verdict_on_part([first, second], 2)
    assert (found, bool(reason)) == (("undecided", True) if is_twice else ("good", False))
    bad = second._replace(verdict="defective")
    assert verdict_on_part([first, bad], 2) == ("defective", "")


def test_images_of_one_folder_are_judged_by_their_parts():
    images = [
        View("0_1.png", "good"),
        View("1_1.png", "good"),
        View("0_2.tif", "defective"),
        View("1_2.png", "good"),
        View("dust.png", "good"),
        View("dust.gif", "unreadable", "It is a GIF."),
        View("a/1_1.png", "good"),
        View("scratched.png", "defective"),
    ]
    found = verdicts_on_parts(images, Views(PATTERN, 2))
    assert [one.part for one in found] == ["0", "1", "0", "1", None, None, "a/1", None]
    assert [one.verdict for one in found] == [
        *("defective", "good", "defective", "good", "undecided", "unreadable", "undecided"),
        "defective",
    ]
    assert found[0].reason == "The view '0_2.tif' of this part is defective."
    assert found[2].reason == ""
    assert found[4].reason == r"The name of this image tells no part by '^(.*)_\d+$'."
    assert found[6].reason.startswith("1 view of this part is there, and the good parts")


@pytest.mark.parametrize(
    ("group_by", "path", "part"),
    [
        (PATTERN, "monday/0012_1.png", "monday/0012"),
        (PATTERN, "0012.png", None),
        (r"/(\d+)_\w$", "12_a.png", "12"),
        (r"/(\d+)_\w$", "x/12_a.tar.png", None),
        (r"([^/]+)/[^/]+$", "parts/7/left.png", "7"),
        (r"good/(\d+)", "7.png", None),
        (r"(x)?_\d$", "a_1.png", None),
        (r"(x*)_\d$", "a_1.png", None),
        (PATTERN, "/", None),
    ],
)
def test_the_part_of_a_file(group_by, path, part):
    assert Views(group_by, 2).part_of_file(path) == part


@pytest.mark.parametrize("group_by", ["(part", "part", "(a)(b)", 3])
def test_an_expression_that_tells_no_part_is_refused(group_by):
    with pytest.raises(InputError, match=r"give a regular expression with one group"):
        check_group_by(group_by)


def test_names_that_tell_no_part_are_counted():
    with pytest.raises(InputError, match="finds no part in the image 'b' and 1 of 2 others:"):
        parts_of(PATTERN, ["a_1", "b", "c"])
    with pytest.raises(InputError, match="finds no part in the image 'b': correct"):
        parts_of(PATTERN, ["a_1", "b"])


def test_good_parts_of_different_sizes_are_refused():
    assert count_views(PATTERN, {"a_1": "a", "a_2": "a", "b_1": "b", "b_2": "b"}, "bolt") == 2
    sizes = "the good part 'b' of bolt has 1 and the good part 'a' 2 images"
    with pytest.raises(InputError, match=sizes):
        count_views(PATTERN, {"a_1": "a", "a_2": "a", "b_1": "b"}, "bolt")
