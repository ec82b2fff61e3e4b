"""A budget chooses the most accurate configuration of the front that keeps it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import miniatures
from reb_pipeline.commands.main import main
from reb_pipeline.core.errors import InputError
from reb_pipeline.features import backbones
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.sections import InspectionParams, PackagingParams
from reb_pipeline.project import budget, inspection_time
from reb_pipeline.project.budget import Budget, Costs, choose
from reb_pipeline.project.front import Point, read_front
from reb_pipeline.project.photos import find_categories
from reb_pipeline.project.run_folder import RunFolder
from reb_pipeline.scoring.settings import ScoringSettings

SIZES, SHARES = (128, 192, 256), (0.01, 0.03, 0.1)


def point(size, share, auroc):
    return Point("net", "combined", size, share, (size // 8) ** 2, 280, 3.0, auroc)


def costs_of(points, slow=1.0):
    return Costs(
        lambda one: slow * (one.image_size / 64 + 10 * one.coreset_ratio),
        lambda one: one.megabytes(200, 15, 0),
    )


fronts = st.lists(
    st.tuples(st.sampled_from(SIZES), st.sampled_from(SHARES), st.floats(90, 100)),
    min_size=1,
    unique_by=lambda one: one[:2],
).map(lambda rows: sorted((point(*row) for row in rows), key=lambda one: -one.image_auroc))


@settings(max_examples=50)
@given(fronts, st.floats(1, 6), st.one_of(st.none(), st.floats(3, 30)))
def test_the_most_accurate_that_keeps_the_budget_is_chosen_as_by_trying_all(points, max_ms, max_mb):
    costs, asked = costs_of(points), Budget(max_ms, max_mb)
    keep = [
        one
        for one in points
        if costs.milliseconds(one) <= max_ms and costs.megabytes(one) <= (max_mb or np.inf)
    ]
    if not keep:
        with pytest.raises(InputError, match=r"--max-ms .* cannot be kept"):
            choose(points, asked, costs)
        return
    choice = choose(points, asked, costs)
    assert choice.point == keep[0]
    if choice.better:
        assert choice.better not in keep
        assert choice.better.image_auroc >= choice.point.image_auroc
    if choice.cheaper:
        assert costs.time(choice.cheaper) < costs.time(choice.point)


def test_what_costs_no_less_than_one_that_was_too_slow_is_not_measured():
    best, larger, small = point(256, 0.03, 99), point(256, 0.1, 98), point(128, 0.1, 97)
    costs = costs_of([best, larger, small])
    assert choose([best, larger, small], Budget(max_ms=4), costs).point == small
    assert set(costs.measured) == {best, small}


def test_the_refusal_names_the_quickest_and_the_smallest():
    points = [point(256, 0.1, 99), point(128, 0.01, 95)]
    with pytest.raises(InputError, match=r"--max-ms 1 cannot .* 128 px, coreset 1 %: 2.1 ms,"):
        choose(points, Budget(max_ms=1), costs_of(points))
    with pytest.raises(InputError, match=r"--max-mb 1 cannot .* 128 px, coreset 1 %, would have"):
        choose(points, Budget(max_mb=1), costs_of(points))


def test_the_front_is_sorted_and_its_default_is_the_shipped_one():
    points = read_front()
    aurocs = [one.image_auroc for one in points]
    assert aurocs == sorted(aurocs, reverse=True)
    assert len({str(one) for one in points}) == len(points)
    shipped = {
        "features": {"backbone": "efficientnet_lite0", "neck": "combined", "image_size": 256}
    }
    assert shipped | {"memory_bank": {"coreset_ratio": 0.1}} in [one.settings() for one in points]


@pytest.mark.parametrize(
    ("there", "given", "chosen_from"),
    [
        ({"efficientnet_lite0"}, {}, {"efficientnet_lite0"}),  # a plain installation
        ({"efficientnet_lite0", "resnet18"}, {}, {"efficientnet_lite0", "resnet18"}),
        (
            {"efficientnet_lite0"},
            {"backbone": "resnet18", "weights": "resnet18.pth"},
            {"resnet18"},
        ),
        (set(), {}, {"efficientnet_lite0", "resnet18"}),  # the run says what to do
    ],
)
def test_only_backbones_whose_weights_are_there_are_chosen_from(
    there, given, chosen_from, monkeypatch
):
    monkeypatch.setattr(backbones, "imagenet_file", lambda name: name if name in there else None)
    possible = budget._with_weights(read_front(), FeatureSettings(**given))
    assert {one.backbone for one in possible} == chosen_from


def test_the_estimated_size_is_that_of_a_packaged_model(tmp_path):
    """157 good photos of bottles, 10 %: 16,076 rows of 280, and 15 distances each; files as they were packaged."""
    measured = 18_191_494 + 965_822 + 2_850_344  # bank, density and network of a model
    one = Point("efficientnet_lite0", "combined", 256, 0.1, 1024, 280, 2.85, 99)
    assert 1e6 * one.megabytes(157, 15, 0) == pytest.approx(measured, rel=0.01)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    miniatures.write_good(tmp_path / "photos", 30)
    return find_categories(str(tmp_path / "photos"), "photos", 0.1, {})[0]


GIVEN = {"calibration": {"false_alarm_rate": 0.1}}
SECTIONS = {
    "features": FeatureSettings(image_size=32),
    "memory_bank": MemoryBankSettings(coreset_ratio=0.1),
    "scoring": ScoringSettings(max_neighbors=5, n_neighbors=3, alpha="auto"),
    "inspection": InspectionParams(input=None, engine="onnxruntime", allow_undecided=False),
    "packaging": PackagingParams(allow_undecided=False),
}


def test_a_choice_is_recorded_and_kept_where_a_training_goes_on(photos, tmp_path, monkeypatch):
    measured, said = [], []

    def milliseconds(_, n_images, sections):
        assert n_images == photos[0].shares.train
        measured.append(sections["features"].image_size)
        return float(measured[-1])

    monkeypatch.setattr(inspection_time, "inspection_milliseconds", milliseconds)
    monkeypatch.setattr(budget, "_parameters", lambda *_: {"photos": SECTIONS})
    folder = RunFolder(tmp_path / "photos.run")
    record = budget.choose_within(Budget(max_ms=200), folder, photos, GIVEN, said.append)
    assert record["settings"]["features"]["image_size"] == 192
    assert measured[0] > 200
    assert "chosen" in said[1]
    assert "next better" in said[2]
    assert not folder.path.exists()  # an earlier training stays as it is
    folder.path.mkdir()
    budget.store(record, folder)
    again = budget.choose_within(Budget(max_ms=200), folder, photos, GIVEN, said.append)
    assert again == json.loads(json.dumps(record))
    assert "was chosen before and stays" in said[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--max-ms", "20", "--set", "preset=fast"], "--max-ms 20 and preset = 'fast' both choose"),
        (
            ["--max-mb", "20", "--set", "features.image_size=300"],
            "--max-mb 20 cannot be used with features.image_size = 300: the measured front has 128",
        ),
        (
            ["--max-mb", "20", "--set", "features.per_category.photos.image_size=512"],
            "but photos has its own: leave features.per_category.photos.image_size out, or the budget",
        ),
        (
            ["--max-mb", "20", "--set", "features.width=999"],
            "with features.width = 999: the measured front has null there",
        ),
        (["--max-ms", "20", "--set", "scorin.alpha=1"], "did you mean 'scoring'?"),
        (["--max-mb", "0.5"], "--max-mb 0.5 cannot be kept: the smallest model"),
    ],
)
def test_a_budget_that_cannot_be_used(arguments, sentence, photos, tmp_path, capsys):
    assert main(["train", "photos", "--false-alarm-rate", "0.1", *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert not (tmp_path / "photos.run").exists()


def test_rows_of_copies_in_other_light_count_and_their_photos_do_not(photos, monkeypatch):
    learnt = []
    monkeypatch.setattr(
        inspection_time, "inspection_milliseconds", lambda _, n_images, __: learnt.append(n_images)
    )

    def megabytes(copies, good_images):
        bank = MemoryBankSettings(coreset_ratio=0.1, light_copies=copies)
        packaging = SECTIONS["packaging"].model_copy(update={"good_images": good_images})
        sections = {**SECTIONS, "memory_bank": bank, "packaging": packaging}
        costs = budget.costs_of(photos[0], sections)
        costs.milliseconds(one)
        return costs.megabytes(one)

    one = point(128, 0.1, 99)
    assert megabytes(3, False) - 3 == pytest.approx(4 * (megabytes(0, False) - 3))
    of_photos = [megabytes(copies, True) - megabytes(copies, False) for copies in (0, 3)]
    assert of_photos[0] == pytest.approx(of_photos[1])
    assert set(learnt) == {photos[0].shares.train, 4 * photos[0].shares.train}


@pytest.mark.parametrize("value", ["0", "-3", "nan", "inf", "fast"])
def test_a_budget_that_is_no_number(value, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "photos", "--max-ms", value])
    assert "is no number above 0" in capsys.readouterr().err


def test_an_inspection_is_measured_with_a_coreset_of_the_expected_size(monkeypatch):
    searched = []
    grids = SimpleNamespace(
        patches=lambda: lambda photos: np.stack([one[:4, :4].astype(np.float32) for one in photos])
    )
    monkeypatch.setattr(inspection_time.Encoder, "initial", lambda *_: grids)
    fit = inspection_time.MemoryBankDetector.of

    def of(bank, *parts):
        searched.append(len(bank.features))
        return fit(bank, *parts)

    monkeypatch.setattr(inspection_time.MemoryBankDetector, "of", of)
    photos = list(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8))
    ticks = iter(range(1000))
    found = inspection_time.inspection_milliseconds(photos, 200, SECTIONS, lambda: next(ticks))
    assert searched == [320]  # 10 % of 16 patches of 200 photos
    assert found == 1000  # a tick of the clock each


def test_without_a_budget_nothing_is_chosen_and_a_former_choice_is_forgotten(tmp_path):
    folder = RunFolder(tmp_path)
    budget.store({"asked": {}}, folder)
    assert budget.choose_within(Budget(), folder, [], {}, print) == {}
    budget.store({}, folder)
    assert not list(tmp_path.iterdir())
