"""Good images added and forgotten: the next state is that of a rebuild, the one before stays."""

import shutil

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.pipelines.bank_update import changes

PARAMS = {
    **SMALL,
    "ssl_finetune": {"enabled": False},
    "memory_bank": {"coreset_ratio": 0.2, "light_copies": 1},
    "ingestion": {"max_unreadable_share": 0.5},
}
STEPS = [
    "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "calibration"
]  # fmt: skip
MODELS = "06_models/screw"


def record(kind, folder, name, version=-1):
    file = sorted((folder / name).iterdir())[version] / name
    with file.open("rb") as opened:
        return read_record(kind, opened, is_local=True)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """Finished run, made by the first test that needs it."""
    return tmp_path_factory.mktemp("learnt")


@pytest.fixture
def screw(run_project, tmp_path, learnt):
    """Run pipelines on a category whose bank, density and calibration are there."""
    root = learnt / "images"

    def run(pipelines, **params):
        given = {"data_root": str(root), **PARAMS, **params}
        return run_project("mvtec_ad", given, pipeline_names=pipelines, namespaces=["screw"])

    if root.exists():
        shutil.copytree(learnt / "out", tmp_path / "out")
    else:
        miniatures.make_mvtec_ad(root)
        shutil.copytree(run(STEPS), learnt / "out")
    return run


def test_next_state_is_that_of_a_rebuild(screw, tmp_path, messages_of):
    """From a folder of another file system: two new images, a copy, a broken one; two images are forgotten."""
    new = tmp_path / "tuesday"
    miniatures.write_good(new, 3, seed=0)  # 000 to 002 of the training images ...
    for name, seed in (("001", 71), ("002", 72)):  # ... of which two are drawn anew
        miniatures.write_image(new / "late" / f"{name}.png", miniatures.draw_part(seed)[0])
        (new / f"{name}.png").unlink()
    (new / "broken.png").write_bytes(b"no image")
    address = miniatures.copy_to_memory(new, "line/tuesday")
    warnings = messages_of(changes.logger)

    out = screw(
        ["bank_update"],
        bank_update={"add": address, "forget": ["train/good/003", "train/good/00[67]"]},
    )

    bank = record(MemoryBank, out / MODELS, "memory_bank.npz")
    added = ["added/tuesday/late/001.png", "added/tuesday/late/002.png"]
    stay = [f"train/good/{number:03}" for number in (0, 1, 2, 4, 5)]
    assert bank.image_ids == stay + added
    assert any("broken.png" in warning for warning in warnings)
    assert any("1 of 3 images to add have the content" in warning for warning in warnings)
    samples = pd.read_parquet(newest(out / "03_primary/screw", "samples.parquet")).set_index("id")
    assert samples.loc[added, "path"].str.startswith("memory://").all()
    assert samples.loc[added, "split"].tolist() == ["train", "train"]
    assert "train/good/003" not in samples.index
    before = record(MemoryBank, out / MODELS, "memory_bank.npz", version=0)
    assert before.image_ids == [f"train/good/{number:03}" for number in range(8)]

    coreset = record(Coreset, out / MODELS, "coreset.npz")
    density = np.load(newest(out / MODELS, "local_density.npz"))["squared_distances"]
    anew = measure_local_density(bank, coreset, density.shape[1])
    np.testing.assert_array_equal(density, anew.squared_distances)
    versions = {
        name: len(list((out / MODELS / name).iterdir()))
        for name in ("memory_bank.npz", "coreset.npz", "local_density.npz", "calibration.npz")
    }
    assert set(versions.values()) == {2}
    screw(["evaluation"])  # all of it fits together

    screw(["memory_bank"])
    rebuilt = record(MemoryBank, out / MODELS, "memory_bank.npz")
    assert rebuilt.image_ids == bank.image_ids
    rounding = 1e-5 * np.abs(rebuilt.features).max()  # images in other batches
    np.testing.assert_allclose(bank.features, rebuilt.features, rtol=0, atol=rounding)


def test_what_was_added_is_forgotten_by_its_folder(screw, tmp_path):
    miniatures.write_good(tmp_path / "tuesday", 2, seed=71)
    screw(["bank_update"], bank_update={"add": str(tmp_path / "tuesday")})
    out = screw(["bank_update"], bank_update={"forget": "added/tuesday/*"})
    first, last = (record(MemoryBank, out / MODELS, "memory_bank.npz", v) for v in (0, -1))
    assert last.image_ids == first.image_ids
    np.testing.assert_array_equal(last.features, first.features)
    assert len(record(MemoryBank, out / MODELS, "memory_bank.npz", 1).image_ids) == 10


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "nothing to add and nothing to forget: give a folder"),
        ({"forget": ["train/good/0O1"]}, "'train/good/0O1', .* did you mean 'train/good/001'"),
        ({"forget": ["train/*"]}, "fits all 8 good training images"),
        ({"add": "nowhere"}, "'nowhere' is no folder"),
        ({"forget": 3}, "bank_update.forget cannot be used"),
    ],
)
def test_bad_changes_write_nothing(screw, tmp_path, params, sentence):
    with pytest.raises(InputError, match=sentence):
        screw(["bank_update"], bank_update=params)
    for name in ("06_models/screw/memory_bank.npz", "03_primary/screw/samples.parquet"):
        assert len(list((tmp_path / "out" / name).iterdir())) == 1


def test_too_few_images_for_zones_are_refused_before_the_samples_change(screw, tmp_path):
    zones = {"label": [[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]]]}
    with pytest.raises(InputError, match=r"scoring\.zones needs 20 good training images .* are 7"):
        screw(["bank_update"], bank_update={"forget": ["train/good/001"]}, scoring={"zones": zones})
    assert len(list((tmp_path / "out/03_primary/screw/samples.parquet").iterdir())) == 1


def test_one_folder_is_not_added_to_two_categories(run_project, tmp_path):
    root = miniatures.make_elpv(tmp_path / "images")
    params = {"data_root": str(root), **PARAMS}
    params["bank_update"] = {"add": str(root / "images")}
    with pytest.raises(InputError, match=r"mono and poly.*--namespaces"):
        run_project("elpv", params, pipeline_names=["bank_update"])


def table(*rows):
    """Samples: id, content, split."""
    columns = {
        "id": [row[0] for row in rows],
        "sha256": [row[1] for row in rows],
        "split": [row[2] if len(row) > 2 else "train" for row in rows],
    }
    return pd.DataFrame(columns).assign(label=0)


SAMPLES = table(("a/1", "A"), ("a/2", "B"), ("b/[1]", "C"), ("a/9", "D", "calibration"))


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([], ["a/1", "a/2", "b/[1]", "a/9"]),
        (["a/*"], ["b/[1]", "a/9"]),  # what is not in the bank stays
        (["b/[1]"], ["a/1", "a/2", "a/9"]),  # an id before a pattern
        (["?/1", "a/2"], ["b/[1]", "a/9"]),
    ],
)
def test_names_are_ids_or_patterns(names, left):
    assert changes.without(SAMPLES, names)["id"].tolist() == left


def test_what_an_interrupted_update_forgot_may_be_named_again(messages_of):
    warnings = messages_of(changes.logger)
    names = ["a/3", "b/?", "added/x/*", "a/1"]
    assert changes.without(SAMPLES, names, ["a/3", "b/4"])["id"].tolist() == [
        "a/2", "b/[1]", "a/9"
    ]  # fmt: skip
    assert len(warnings) == 3
    with pytest.raises(InputError, match="did you mean"):
        changes.without(SAMPLES, ["a/4"], ["a/3", "b/4"])


def test_calibration_images_are_not_forgotten():
    with pytest.raises(InputError, match="none of the 3 good training images is called so"):
        changes.without(SAMPLES, ["a/9"])


def test_known_content_is_skipped_and_a_known_name_refused(messages_of):
    warnings = messages_of(changes.logger)
    found = table(("added/x/1", "D"), ("added/x/2", "E"), ("added/x/3", "E"), ("added/x/4", "F"))
    grown = changes.with_added(SAMPLES, found, SAMPLES["id"].tolist())
    assert grown["id"].tolist() == [*SAMPLES["id"], "added/x/2", "added/x/4"]
    assert warnings == [
        "2 of 4 images to add have the content of one that is there already and are skipped, first added/x/1."
    ]
    former = [*SAMPLES["id"], "added/x/4"]
    with pytest.raises(InputError, match="Another image is called 'added/x/4' already: rename"):
        changes.with_added(SAMPLES, found, former)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [({}, (0.4, 0.6)), ({"calibration": {"false_alarm_rate": 0.3}}, (0.3, 0.6))],
)
def test_the_rates_in_use_stay(screw, asked, kept):
    screw(["calibration"], calibration={"false_alarm_rate": 0.4, "doubtful_rate": 0.6})
    out = screw(["bank_update"], bank_update={"forget": ["train/good/003"]}, **asked)
    calibration = record(Calibration, out / MODELS, "calibration.npz")
    assert (calibration.false_alarm_rate, calibration.doubtful_rate) == kept
