"""`reb train` before it runs: photos, their shares, settings, and mistakes."""

import errno
import re
import shutil
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from kedro.io import DataCatalog
from omegaconf import OmegaConf

import miniatures
from reb_pipeline.calibration.conformal import images_needed
from reb_pipeline.commands import train
from reb_pipeline.commands.main import main
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.manifest import Part, read_manifest, write_manifest
from reb_pipeline.parameters.loader import AMBIGUOUS, CATEGORY, LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.parameters.per_category import FREE_NAMES, SHARED_SECTIONS
from reb_pipeline.project import later_runs
from reb_pipeline.project.folder_lock import FolderLock
from reb_pipeline.project.photos import category_name
from reb_pipeline.project.run_folder import PROJECT, RunFolder
from reb_pipeline.project.training import Training, check_output, replace_models


def test_another_setting_or_photo_is_another_training(tmp_path):
    from reb_pipeline.project.photos import find_categories
    from reb_pipeline.project.run_folder import RunFolder

    def prepared(settings, path=tmp_path / "photos"):
        categories, _ = find_categories(str(path), "bolt", 0.1, {})
        folder.write(categories, settings)
        return categories

    write(tmp_path / "photos/good")
    folder = RunFolder(tmp_path / "bolt.run")
    assert folder.run_id(prepared({"seed": 1})) is None
    folder.begin("then", prepared({"seed": 1}))
    assert folder.run_id(prepared({"seed": 1})) == "then"
    assert folder.run_id(prepared({"seed": 2})) is None
    write(tmp_path / "copy/good")
    folder.begin("copy", prepared({"seed": 1}, tmp_path / "copy"))
    miniatures.write_good(tmp_path / "copy/good", 1, seed=5)  # another photo of the same name
    assert folder.run_id(prepared({"seed": 1}, tmp_path / "copy")) is None


def write(folder: Path, count: int = 30) -> None:
    miniatures.write_good(folder, count)


MISTAKES = {
    "a folder that is not there": (lambda root: None, "is no folder that is there"),
    "an empty folder": (lambda root: root.mkdir(), "holds no photo: give a folder of photos"),
    "a folder of folders": (
        lambda root: [write(root / "monday", 2), write(root / "tuesday", 3)],
        r"holds folders of photos \(monday 2, tuesday 3\), and none is named good",
    ),
    "only defective photos": (
        lambda root: write(root / "scratch", 2),
        r"holds folders of photos \(scratch 2\), and none is named good",
    ),
    "photos beside folders": (
        lambda root: [write(root, 4), write(root / "old", 3)],
        r"holds 4 photos beside folders of photos \(old 3\)",
    ),
    "an empty folder of good photos": (
        lambda root: [(root / "good").mkdir(parents=True), write(root / "bad", 3)],
        "no good training images",
    ),
    "three photos": (
        lambda root: write(root, 3),
        r"5 % needs 19 calibration images; of 3 good ones.* no part can be flagged: give at least",
    ),
    "a photo": (lambda root: root.touch(), "is a file and no folder: give the folder that it lies"),
    "other files": (
        lambda root: [root.mkdir(), (root / "notes.txt").touch()],
        r"holds no photo \(1 files are not read because they are no images by their names",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_before_anything_is_made(
    mistake, tmp_path, monkeypatch, capsys
):
    make, sentence = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "photos")
    assert main(["train", "photos", "--output", "x.model"]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("Error: ")
    assert re.search(sentence, error), error
    assert not Path("x.run").exists()


@pytest.mark.parametrize(
    ("photos", "sentence"),
    [
        ("photos.zip", r"is an archive and no folder: unpack it, or give 'zip://::.*photos.zip'"),
        ("photos.tgz", r"is an archive and no folder: unpack it\."),
        ("pho*", r"'pho\*' is no folder that is there: give one folder and no pattern"),
        ("zip://photos", "Data root 'zip://photos' cannot be opened"),
        ("zip://::photos.zip", "cannot be opened .File is not a zip file"),
        (
            "gopher://host/photos",
            "cannot be opened .Protocol not known: gopher.*: correct the path",
        ),
        ("http://127.0.0.1:9/photos", "photos. cannot be opened .Cannot connect"),
        ("http://127.0.0.1:9/list.csv", "127.0.0.1"),
    ],
)
def test_a_place_that_is_no_folder(photos, sentence, tmp_path, monkeypatch, capsys):
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    for name in ("photos.zip", "photos.tgz"):
        Path(name).touch()
    assert main(["train", photos, "--output", "x.model"]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(sentence, error), error


def test_a_pattern_that_the_shell_replaced(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "a.png", "b.png", "c.png"])
    said = capsys.readouterr().err
    assert "3 paths are given, first 'a.png': give the one folder that holds the photos" in said


def test_three_photos_and_a_rate_that_says_nothing_are_noted():
    from reb_pipeline.calibration.photos import Shares

    high, few = Shares(train=2, calibration=0, test=1).notes(0.34)
    assert high.startswith("At 34 % about one good part in 3 is flagged")
    assert few.startswith("Only 2 good images are learnt from")
    assert Shares(train=60, calibration=19, test=10).notes(0.05) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "seed"], "--set 'seed' cannot be used: give SECTION.NAME=VALUE"),
        (["--set", "=1"], "cannot be used"),
        (["--set", "features.region="], "--set 'features.region=' cannot be used"),
        (["--set", "features.empty_field=''"], "features.empty_field of photos is empty"),
        (["--set", "scoring.alpha=["], "cannot be used"),
        (["--set", "scoring.alpha=&a [*a]"], "cannot be used: give SECTION.NAME=VALUE"),
        (["--set", "scoring.alpha=" + 2000 * "["], "cannot be used: give SECTION.NAME=VALUE"),
        (["--set", "calibration.folder=2020-20-20"], "cannot be used: give SECTION.NAME=VALUE"),
        (["--set", "preset=2020-10-10"], "Preset '2020-10-10' is unknown"),
        (["--set", "scoring=1", "--set", "scoring.alpha=1"], "'scoring=1' cannot be used"),
        (["--set", "scoring.alpha=1", "--set", "scoring.alpha.x=1"], "'scoring.alpha.x=1' cannot"),
        (["--set", "calibration.false_alarm_rate=much"], "'much' cannot be used: it must lie"),
        (["--set", "calibration.false_alarm_rate=5"], "false_alarm_rate = 5 cannot be used"),
        (
            ["--doubtful-rate", "1%"],
            "doubtful_rate = 0.01 is below false_alarm_rate = 0.05, and it",
        ),
        (["--set", "calibration.doubtful_rate=2"], "calibration.doubtful_rate cannot be used"),
        (["--set", "preset=slow"], "Preset 'slow' is unknown"),
        (["--set", "split.test=x"], "split test=x"),
        (["--set", "split.test=1.5"], "split test=1.5"),
        (["--set", "split.tests=0.2"], "unknown keys ['tests']"),
        (["--set", "split.calibration=some"], "calibration=some is not possible"),
        (["--false-alarm-rate", "0.1", "--set", "features.image_size=1e9"], "from 32 to 16384"),
        (["--false-alarm-rate", "0.1", "--set", "scoring.max_neighbors=99999999"], "less than or"),
        (
            ["--false-alarm-rate", "0.1", "--set", "features.image_size=16000"],
            "A batch of 16 images of 16,000 x 16,000 pixels needs at least",
        ),
        (["--output", "notes.txt"], "'notes.txt' is there and no model"),
    ],
)
def test_an_argument_that_cannot_be_used(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(Path("photos"))
    Path("notes.txt").touch()
    assert main(["train", "photos", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("scoring.alfa=1", "Parameter of section scoring 'alfa' is unknown: did you mean 'alpha'?"),
        ("scorin.alpha=1", "did you mean 'scoring'?"),
        ("scoring.detector=padim", "'padim' has no memory bank"),
    ],
)
def test_a_setting_that_no_model_can_have(setting, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(Path("photos"))
    assert main(["train", "photos", "--false-alarm-rate", "0.1", "--set", setting]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert "Measuring this machine" not in told.out


@pytest.mark.parametrize("rate", ["0", "1", "5", "-2%", "200%", "much", "nan"])
def test_a_rate_that_is_none(rate, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "photos", "--false-alarm-rate", rate])
    assert "is no share between 0 and 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "rate"), [("0.02", 0.02), ("2%", 0.02), ("2 %", 0.02), ("0.5%", 0.005)]
)
def test_a_rate(text, rate):
    from reb_pipeline.core.command_line import RATE

    assert RATE.convert(text, None, None) == pytest.approx(rate)


@pytest.mark.parametrize("n_good", [20, 45, 54, 60, 140, 209, 300])
@pytest.mark.parametrize("rate", [0.1, 0.05, 0.02, 0.01])
@pytest.mark.parametrize("has_defects", [True, False])
def test_the_split_calibrates_if_any_split_can(n_good, rate, has_defects):
    from reb_pipeline.calibration.photos import calibration_images, share_for_test

    share = share_for_test(n_good, rate, has_defects=has_defects)
    calibrates = calibration_images(n_good, round(share * n_good), rate) >= images_needed(rate)
    assert calibrates == (n_good - round(0.1 * n_good) >= 2 * images_needed(rate))


def test_categories_of_a_folder_and_what_belongs_to_none(tmp_path):
    from reb_pipeline.project.photos import find_categories

    write(tmp_path / "bolt/good")
    write(tmp_path / "seed/OK")
    write(tmp_path / "old", 2)
    found, left_out = find_categories(str(tmp_path), "x", 0.05, {})
    assert [(one.name, one.folder) for one in found] == [("bolt", "bolt"), ("part_seed", "seed")]
    assert left_out == ["old"]
    write(tmp_path / "part_seed/good")
    with pytest.raises(InputError, match="would both be the category 'part_seed'"):
        find_categories(str(tmp_path), "x", 0.05, {})


def test_where_the_learnt_photos_calibrate_too_nothing_is_fine_tuned_on_them(tmp_path):
    from reb_pipeline.project.photos import find_categories

    write(tmp_path / "good", 30)
    categories, _ = find_categories(str(tmp_path), "part", 0.05, {})
    assert categories[0].shares.calibration == 0
    assert train._without_fine_tuning(categories, 0.05) == {
        "ssl_finetune": {"per_category": {"part": {"enabled": False}}}
    }


def test_paths_of_settings_are_those_of_the_working_folder(tmp_path, monkeypatch):
    from reb_pipeline.project.run_folder import _parameters

    monkeypatch.chdir(tmp_path)
    write(tmp_path / "other day ${x}", 1)
    values = _parameters(
        {"calibration": {"folder": "other day ${x}"}, "features": {"weights": "imagenet"}}
    )
    resolved = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
    assert resolved["calibration"]["folder"] == f"{tmp_path}/other day ${{x}}"
    assert resolved["features"]["weights"] == "imagenet"


def test_a_preset_stands_below_the_other_settings():
    from reb_pipeline.project.run_folder import _parameters

    values = _parameters({"preset": "accurate", "memory_bank": {"coreset_ratio": 0.02}})
    assert "preset" not in values
    assert values["features"]["image_size"] == 320
    assert values["memory_bank"]["coreset_ratio"] == 0.02
    assert values["ssl_finetune"]["budget"] == "small"  # of the environment


@pytest.mark.parametrize("n_good", [40, 45, 60, 120, 209])
@pytest.mark.parametrize("rate", [0.1, 0.05, 0.02])
def test_some_more_photos_calibrate_than_the_rate_needs_where_there_are_enough(n_good, rate):
    from reb_pipeline.calibration.photos import calibration_images, images_with_spare

    n_test = round(0.1 * n_good)
    least = calibration_images(n_good, n_test, rate)
    taken = images_with_spare(n_good, n_test, rate)
    assert least <= taken <= (n_good - n_test) // 2
    assert (taken == 0) == (least == 0)
    assert taken > least or taken in (0, (n_good - n_test) // 2)


def test_photos_are_shared_out_as_they_are_given_by_settings(tmp_path):
    from reb_pipeline.project.photos import find_categories

    write(tmp_path, 60)

    def shares(**split):
        ((category,), _) = find_categories(str(tmp_path), "part", 0.05, split)
        return category.shares.train, category.shares.calibration, category.shares.test

    assert shares() == (34, 20, 6)
    assert shares(test=0.2) == (28, 20, 12)
    assert shares(calibration=10) == (44, 10, 6)
    assert shares(test=0) == (40, 20, 0)


@pytest.mark.parametrize("place", ["run folder", "model"])
def test_a_full_disk_is_one_sentence(place, tmp_path, monkeypatch, capsys):
    from reb_pipeline.project import run_folder, training

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(tmp_path)
    write(Path("photos"))
    monkeypatch.setattr(shutil, "copytree", full)
    if place == "run folder":
        assert main(["train", "photos", "--false-alarm-rate", "0.1"]) == 2
        assert (
            "photos.run/pyproject.toml' cannot be written (No space left" in capsys.readouterr().err
        )
        assert not run_folder.RunFolder(Path("photos.run")).is_there()
    else:
        Path("x.model").mkdir()
        with pytest.raises(InputError, match=r"x.model' cannot be written \(No space left"):
            training.replace_models(Path("x.model"), {"": Path("photos")})
        assert Path("x.model").is_dir()  # the former model stays


@pytest.mark.parametrize(
    ("file", "make", "dataset"),
    [
        ("bolt.csv", miniatures.make_csv_list, "CSVListDataset"),
        ("bolt.manifest", miniatures.make_lookout, "LookoutForVisionDataset"),
    ],
)
def test_a_list_is_a_category(file, make, dataset, tmp_path):
    from reb_pipeline.project.photos import find_categories
    from reb_pipeline.project.run_folder import RunFolder

    make(tmp_path / "listed", category="bolt")
    path = tmp_path / "listed" / file
    assert train._name(str(path)) == "bolt"
    (category,), left_out = find_categories(str(path), "bolt", 0.3, {})
    assert left_out == []
    assert "3 defective ones" in category.statement()
    folder = RunFolder(tmp_path / "bolt.run")
    folder.write([category], {})
    loader = ProjectConfigLoader(str(folder.configuration), **LOADER_ARGS)
    entry = loader["catalog"]["bolt.raw_images"]
    assert entry["type"] == f"reb_pipeline.datasets.{dataset}"
    images = DataCatalog.from_config({"raw_images": entry}).load("raw_images")
    assert images.samples == category.images.samples


def test_another_label_in_a_list_is_another_training(tmp_path):
    from reb_pipeline.project.photos import find_categories

    make = miniatures.make_csv_list(tmp_path, category="bolt")
    before = list(find_categories(str(make / "bolt.csv"), "bolt", 0.3, {})[0][0].images.file_keys())
    text = (make / "bolt.csv").read_text(encoding="utf-8-sig").replace("bright_spot", "stain")
    (make / "bolt.csv").write_text(text)
    after = list(find_categories(str(make / "bolt.csv"), "bolt", 0.3, {})[0][0].images.file_keys())
    assert sorted(before) != sorted(after)
    with pytest.raises(InputError, match="is no folder that is there"):
        find_categories(str(tmp_path / "gone.csv"), "bolt", 0.3, {})


def model(folder: Path, name: str = "a") -> Path:
    """Write a packaged model that has no parts yet."""
    folder.mkdir(parents=True)
    (folder / "bank.npz").write_text(name)
    parts = {"bank": Part(required=True, files={"bank.npz": "0"})}
    write_manifest({"name": name}, parts, str(folder), LocalFileSystem())
    return folder


def run_folder(path: Path) -> None:
    path.mkdir()
    (path / PROJECT).touch()


def taken(place: str) -> list[str]:
    try:
        check_output(Path(place), "photos")
    except InputError as error:
        return [str(error)]
    return []


def test_only_models_are_ever_replaced(tmp_path, monkeypatch):
    """Refuse an output beside or in which other things lie: models, photos, inspections."""
    monkeypatch.chdir(tmp_path)
    write(Path("photos"), 1)
    model(Path("models/a.model"))
    model(Path("models/b.model"))
    for place in ("models", ".", str(tmp_path), "models/..", "models/../models"):
        assert "is there and no model, so that it is not replaced" in taken(place)[0], place
    (tmp_path / "x/.git").mkdir(parents=True)
    assert "is there and no model" in taken("x")[0]
    run_folder(Path("models.run"))
    assert taken("models") == []  # of one training, with nothing else
    Path("models/a.model/notes.txt").touch()
    assert "because 'a.model/notes.txt' in it is no part of a model" in taken("models")[0]
    Path("models/notes").mkdir()
    assert "'models' is not replaced, because 'a.model" in taken("models")[0]
    assert taken("models/b.model") == []
    Path("models/b.model/.DS_Store").touch()
    assert taken("models/b.model") == []
    Path("models/b.model/inspection").mkdir()
    assert "because 'inspection' in it is no part of a model" in taken("models/b.model")[0]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("photos/bolt.model", "would lie among the photos of 'photos'"),
        ("photos/../photos/x", "would lie among the photos"),
        ("link/x", "would lie among the photos"),
        ("notes.txt/x.model", "cannot be made, because '.*notes.txt' is a file"),
        ("s3://bucket/x.model", "is no local folder"),
    ],
)
def test_places_that_a_model_cannot_have(place, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("photos"), 1)
    Path("link").symlink_to("photos")
    Path("notes.txt").touch()
    assert re.search(sentence, taken(place)[0])


def test_models_replace_all_that_was_there_and_keep_a_link(tmp_path, monkeypatch):
    """A model of one category stayed beside those of several, and was taken for the newest of them."""
    monkeypatch.chdir(tmp_path)
    new = {name: model(Path("new", name), name) for name in "bc"}
    Path("real").mkdir()
    model(Path("real/x.model"))
    Path("x.model").symlink_to("real/x.model")
    for _ in range(2):
        replace_models(Path("x.model"), new)
        assert Path("x.model").is_symlink()
        assert sorted(path.name for path in Path("real/x.model").iterdir()) == ["b", "c"]
    replace_models(Path("x.model"), {"": new["b"]})
    assert read_manifest("x.model", LocalFileSystem())["name"] == "b"
    Path("gone.model").symlink_to("nowhere")
    replace_models(Path("gone.model"), {"": new["c"]})
    assert read_manifest("nowhere", LocalFileSystem())["name"] == "c"
    assert sorted(path.name for path in Path("real").iterdir()) == ["x.model"]


@pytest.mark.parametrize("place", [".", "..", "a/..", "./"])
def test_the_run_folder_of_a_folder_without_a_name_of_its_own(place, tmp_path, monkeypatch):
    (tmp_path / "x/y/a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "x/y")
    expected = tmp_path / ("x.run" if place == ".." else "x/y.run")
    assert RunFolder.beside(Path(place)).path == expected


def test_an_empty_path_is_no_place(capsys):
    """A variable of the shell that is not set meant the working folder."""
    with pytest.raises(SystemExit, match="2"):
        main(["train", ""])
    assert "it is empty: give a path or URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["metrics_x", "x_metrics_y", "_metrics_", "study_1", "selection_candidates_z", "seed", "%"],
)
def test_a_name_made_of_any_text_is_one_that_the_project_takes(text):
    name = category_name(text)
    assert CATEGORY.fullmatch(name)
    assert not AMBIGUOUS.search(name)
    assert name not in (*SHARED_SECTIONS, *FREE_NAMES)


@pytest.mark.parametrize(
    ("command", "section"),
    [
        (["calibrate", "x.model", "--folder", "photos"], "calibration"),
        (["update", "x.model", "--add", "photos"], "bank_update"),
    ],
)
def test_a_change_keeps_the_rate_of_the_model_in_a_process_of_its_own(
    command, section, tmp_path, monkeypatch
):
    """It was that of the run folder, also after a refused calibration, read before Kedro knew the project."""
    monkeypatch.chdir(tmp_path)
    write(Path("photos"), 1)
    place = model(Path("x.model"))
    manifest = {"name": "x", "calibration": {"false_alarm_rate": 0.1}}
    write_manifest(manifest, {}, str(place), LocalFileSystem())
    run_folder(Path("x.run"))
    Path("x.run/conf/local").mkdir(parents=True)
    Path("x.run/conf/local/globals.yml").write_text("categories: [x]")
    calls = []
    monkeypatch.setattr(later_runs, "configure", lambda folder: calls.append(folder.path.name))

    def stop(self, pipeline, parameters):
        calls.append(parameters[section]["false_alarm_rate"])
        raise InputError("stop")

    monkeypatch.setattr(later_runs.TrainedModel, "run", stop)
    assert main(command) == 2
    assert calls == ["x.run", 0.1]


def test_a_second_training_leaves_the_configuration_of_the_first_one(tmp_path, monkeypatch):
    """Its settings were written into the run folder before it was refused."""
    run_folder(tmp_path / "x.run")
    (tmp_path / "x.run/conf/local").mkdir(parents=True)
    settings = tmp_path / "x.run/conf/local/parameters.yml"
    settings.write_text("seed: 1")

    def taken(self, categories, *, shared):
        raise InputError("Another run")

    monkeypatch.setattr(FolderLock, "take", taken)
    with pytest.raises(InputError, match="Another training is running"):
        Training(RunFolder(tmp_path / "x.run"), [], {"seed": 2})
    assert settings.read_text() == "seed: 1"
