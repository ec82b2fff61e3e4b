"""Configuration files that cannot be read, and values that are no numbers, get one sentence with file and line."""

import shutil
from pathlib import Path

import pytest

from conftest import ROOT
from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.loader import LOADER_ARGS, PATHS, ProjectConfigLoader, check_places


@pytest.fixture
def loader(tmp_path: Path) -> ProjectConfigLoader:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf/own").mkdir()
    return ProjectConfigLoader(str(tmp_path / "conf"), env="own", **LOADER_ARGS)


FAULTS = {
    b"scoring:\n\talpha: 1\n": r"line 2: found character '\\t'",
    b"scoring: {alpha: 1}\nscoring: {alpha: 2}\n": "line 2: found duplicate key scoring",
    b"scoring:\n  alpha: 1\n  alpha: 2\n": "line 3: found duplicate key alpha",
    b"scoring: {}  # \xe4\n": "it is no UTF-8 text",
    b"\xff\xfes\x00": "",
    b"scoring: \x00\n": "unacceptable character",
    b"scoring: alpha: 1\n": "line 1: mapping values are not allowed here",
    b"scoring: [1\n": "line 2: ",
    b"- scoring\n": "it must hold names and values",
    b"scoring: {alpha: '${'}\n": "no viable alternative",
}


@pytest.mark.parametrize("content", FAULTS)
@pytest.mark.parametrize("name", ["parameters.yml", "globals.yml", "catalog.yml"])
def test_a_file_that_cannot_be_read(
    loader: ProjectConfigLoader, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / "conf/own" / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"'.*own/{name}' cannot be read \(.*{FAULTS[content]}"):
        _load_all(loader, tmp_path)


def _load_all(loader: ProjectConfigLoader, tmp_path: Path) -> None:
    again = ProjectConfigLoader(str(tmp_path / "conf"), env="own", **LOADER_ARGS)
    for key in ("globals", "parameters", "catalog"):
        again[key]


def test_a_reference_to_nothing(loader: ProjectConfigLoader, tmp_path: Path) -> None:
    (tmp_path / "conf/own/parameters.yml").write_text("scoring: {alpha: '${nothing}'}\n")
    with pytest.raises(
        InputError, match=r"'parameters' cannot be used .Interpolation key 'nothing'"
    ):
        loader["parameters"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("scoring: {alpha: VALUE}", "scoring.alpha"),
        ("scoring: {smoothing_sigma: VALUE}", "scoring.smoothing_sigma"),
        ("compute: {memory_gib: VALUE}", "compute.memory_gib"),
        ("calibration: {false_alarm_rate: VALUE}", "calibration.false_alarm_rate"),
        ("ssl_finetune: {demo: {learning_rate: VALUE}}", "ssl_finetune.demo.learning_rate"),
        ("split: {test: VALUE}", "split.test"),
    ],
)
@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_a_number_that_is_not_finite(
    loader: ProjectConfigLoader, tmp_path: Path, text: str, name: str, value: str
) -> None:
    (tmp_path / "conf/own/parameters.yml").write_text(text.replace("VALUE", value))
    with pytest.raises(InputError, match=rf"Parameter {name} cannot be used: .*\(given: "):
        loader["parameters"]


def test_relative_folders_are_those_of_the_project(
    loader: ProjectConfigLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "conf/own/parameters.yml").write_text(
        "calibration: {folder: photos}\nbank_update: {add: photos}\ninspection: {input: s3://bucket/photos}\n"
    )
    loader.project_path = tmp_path
    category = loader.categories[0]
    for place, expected in ((tmp_path, "photos"), (tmp_path / "notebooks", "../photos")):
        monkeypatch.chdir(place)
        given = loader["parameters"][category]
        assert given["calibration"]["folder"] == given["bank_update"]["add"] == expected
        assert given["inspection"]["input"] == "s3://bucket/photos"
        assert given["features"]["weights"] == "imagenet"


def test_an_empty_text_is_no_path() -> None:
    for section, name in PATHS:
        parameters = {"part": {one: {} for one, _ in PATHS} | {section: {name: " "}}}
        with pytest.raises(InputError, match=rf"{section}\.{name} of part is empty: give a path"):
            check_places(parameters, ["part"])
