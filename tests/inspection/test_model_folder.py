"""The folder of a packaged model: what goes in comes out, and what was changed is refused."""

import hashlib
import json
import math
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.pose import SHIFT, Pose
from reb_pipeline.inspection import Inspector, manifest
from reb_pipeline.inspection.manifest import MANIFEST, digest_of
from reb_pipeline.inspection.model import PackagedModel, read_model, write_model
from reb_pipeline.scoring.global_branch import SQUARES, GlobalBranch
from reb_pipeline.scoring.good_scores import GoodScores
from tiny_model import GOOD, SIZE, tiny_model, train, write_tiny

pytest.importorskip("onnx")

FILES = [
    "network.onnx", "bank.npz", "density.npz", "calibration.npz", "good_images/000000.jpg", "good_images/000003.jpg"
]  # fmt: skip
LOCAL = fsspec.filesystem("file")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "model")


def rewrite(folder: Path, **values: object) -> None:
    """Change the manifest as someone who knows how would."""
    told = {**json.loads((folder / MANIFEST).read_text()), **values}
    told["digest"] = digest_of(told)
    (folder / MANIFEST).write_text(json.dumps(told))


def rehash(folder: Path, name: str) -> None:
    """Put the hash of a changed record into the manifest."""
    parts = json.loads((folder / MANIFEST).read_text())["parts"]
    sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    rewrite(folder, parts={**parts, Path(name).stem: {"required": True, "files": {name: sha256}}})


def add_part(folder: Path, required: object) -> None:
    """Add a part as a later version of the project would."""
    (folder / "regions.npz").write_bytes(b"of a later version")
    parts = json.loads((folder / MANIFEST).read_text())["parts"]
    new = {"required": required, "files": {"regions.npz": "0" * 64}}
    rewrite(folder, parts={**parts, "regions": new})


def drop_part(folder: Path, name: str) -> None:
    parts = json.loads((folder / MANIFEST).read_text())["parts"]
    rewrite(folder, parts={part: value for part, value in parts.items() if part != name})


def assert_same(found: object, expected: object) -> None:
    for field in fields(expected):
        value, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            np.testing.assert_array_equal(value, other)
            assert value.dtype == other.dtype
        else:
            assert value == other


def test_round_trip(original: Path) -> None:
    packed, read = tiny_model(), read_model(original)
    for name in ("bank", "density", "calibration"):
        assert_same(getattr(read, name), getattr(packed, name))
    assert read.network == packed.network
    assert read.good_images == packed.good_images
    assert packed.manifest.items() <= read.manifest.items()


def test_the_same_model_has_the_same_id(original: Path, tmp_path: Path) -> None:
    again = write_tiny(tmp_path / "again")
    written = tmp_path / "read and written"
    write_model(read_model(original), str(written), LOCAL)
    for other in (again, written):
        assert (other / MANIFEST).read_bytes() == (original / MANIFEST).read_bytes()
    another = write_tiny(tmp_path / "another", rate=0.2)
    assert read_model(another).manifest["digest"] != read_model(original).manifest["digest"]


def test_any_file_system(original: Path) -> None:
    memory = fsspec.filesystem("memory")
    write_model(read_model(original), "/packaged/model", memory)
    read = read_model("memory://packaged/model")
    assert read.manifest == read_model(original).manifest


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, 0.5, -1])
def test_a_changed_byte_is_refused(folder: Path, name: str, position: float) -> None:
    data = bytearray((folder / name).read_bytes())
    at = int(position * len(data)) if position >= 0 else -1
    data[at] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(
        InputError, match=rf"'{name}' of .* is not what was packaged.*copy the whole"
    ):
        Inspector.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_off_file_is_refused(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=f"'{name}' of .* is not what was packaged"):
        Inspector.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"'{name}' of .* cannot be read .*No such file.*copy"):
        Inspector.load(folder)


def tamper(folder: Path, name: str, field: str, change: Callable[[Any], Any]) -> None:
    """Change an array or another value of a record, with new hashes."""
    with np.load(folder / name) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if field in arrays:
        arrays[field] = change(arrays[field])
    else:
        values = json.loads(arrays["metadata"].item())
        values[field] = change(values[field])
        arrays["metadata"] = np.array(json.dumps(values))
    np.savez(folder / name, **arrays)
    rehash(folder, name)


ARRAYS = [
    ("bank.npz", "features"), ("density.npz", "squared_distances"), ("calibration.npz", "image_scores"),
    ("calibration.npz", "peak_scores"), ("calibration.npz", "mean_features"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field"), ARRAYS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["one", "all"])
def test_an_array_with_a_value_that_is_not_finite_is_refused(
    folder: Path, name: str, field: str, value: float, where: str
) -> None:
    def change(array: np.ndarray) -> np.ndarray:
        array[(0, 0)[: array.ndim] if where == "one" else ...] = value
        return array

    tamper(folder, name, field, change)
    message = f"'{name}' of .* has values in '{field}' that are not finite numbers: copy the whole"
    with pytest.raises(InputError, match=message):
        Inspector.load(folder)


@pytest.mark.parametrize("field", ["false_alarm_rate", "alpha"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "0.1"])
def test_rate_and_alpha_that_are_no_finite_numbers_are_refused(
    folder: Path, field: str, value: object
) -> None:
    tamper(folder, "calibration.npz", field, lambda _: value)
    with pytest.raises(InputError, match=r"not a finite number|no finite number"):
        Inspector.load(folder)


@pytest.mark.parametrize("value", [0, 1, -0.1, 20])
def test_a_rate_that_is_no_share_is_refused(folder: Path, value: float) -> None:
    tamper(folder, "calibration.npz", "false_alarm_rate", lambda _: value)
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        Inspector.load(folder)


def test_a_network_that_gives_no_finite_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not finite"):
        Inspector.load(write_tiny(tmp_path / "model", factor=math.nan))


@pytest.mark.parametrize("name", ["bank.npz", "density.npz", "calibration.npz"])
def test_records_that_are_none(folder: Path, name: str) -> None:
    """As written by something else that knows how the hashes are made."""
    data = (folder / name).read_bytes()
    other = "density.npz" if name == "bank.npz" else "bank.npz"
    for content in (data[: len(data) // 2], b"text", (folder / other).read_bytes()):
        (folder / name).write_bytes(content)
        rehash(folder, name)
        message = f"'{name}' of .* (holds no record|has the fields).*: copy the whole folder again"
        with pytest.raises(InputError, match=message):
            Inspector.load(folder)


def test_a_changed_manifest_is_refused(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"alpha": 0.5', '"alpha": 0.25'))
    with pytest.raises(InputError, match=r"'model.json' of .* was changed after it was written"):
        Inspector.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is cut off or no JSON"),
        ('{"format": ', "is cut off or no JSON"),
        ("\udcff".encode("utf-8", "surrogateescape"), "is cut off or no JSON"),
        ("[]", "is not that of a packaged model"),
        ('{"name": "part"}', "is not that of a packaged model"),
    ],
)
def test_a_manifest_that_is_none(folder: Path, text: str | bytes, message: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=f"'model.json' of .* {message}"):
        Inspector.load(folder)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (3, "update reb-pipeline"),
        (0, "packaging again"),
        (None, "packaging"),
        (True, "packaging"),
        ("2", "packaging"),
        (1.5, "packaging"),
    ],
)
def test_other_versions_of_the_format(folder: Path, version: object, remedy: str) -> None:
    rewrite(folder, format_version=version)
    with pytest.raises(
        InputError, match=f"format version {version!r}, but .* reads up to version 2: .*{remedy}"
    ):
        Inspector.load(folder)


@pytest.mark.parametrize(
    "parts",
    [
        None, [], {"network": {}}, {"network": {"required": True}}, {"network": {"required": True, "files": []}},
        {"network": {"required": 1, "files": {}}}, {"regions": None},
    ],
)  # fmt: skip
def test_a_list_of_parts_that_is_none(folder: Path, parts: object) -> None:
    rewrite(folder, parts=parts)
    with pytest.raises(InputError, match="has no list of parts"):
        Inspector.load(folder)


@pytest.mark.parametrize("name", ["network", "bank", "density", "calibration"])
def test_a_model_without_a_part_that_every_model_has(folder: Path, name: str) -> None:
    drop_part(folder, name)
    with pytest.raises(InputError, match=f"lists no part '{name}': copy the whole"):
        Inspector.load(folder)


@pytest.mark.parametrize("name", ["network", "bank", "good_scores", "good_images"])
@pytest.mark.parametrize("file", ["../../secret", "bank.npz/../network.onnx", "/etc/passwd"])
def test_a_part_with_other_files_than_it_has(folder: Path, name: str, file: str) -> None:
    parts = json.loads((folder / MANIFEST).read_text())["parts"]
    rewrite(folder, parts={**parts, name: {"required": True, "files": {file: "0" * 64}}})
    with pytest.raises(InputError, match=f"lists other files of the part '{name}'"):
        Inspector.load(folder)


def test_good_images_of_another_bank(folder: Path) -> None:
    parts = json.loads((folder / MANIFEST).read_text())["parts"]
    images = parts["good_images"]["files"]
    del images[max(images)]
    rewrite(folder, parts=parts)
    with pytest.raises(InputError, match="another number of good images than the bank"):
        Inspector.load(folder)


def test_the_parts_of_a_model(original: Path) -> None:
    parts = json.loads((original / MANIFEST).read_text())["parts"]
    assert {name: part["required"] for name, part in parts.items()} == {
        "network": True, "bank": True, "density": True, "calibration": True, "good_images": False
    }  # fmt: skip
    listed = {name for part in parts.values() for name in part["files"]}
    there = {str(path.relative_to(original)) for path in original.rglob("*") if path.is_file()}
    assert listed == there - {MANIFEST}


def test_an_optional_part_of_a_later_version_is_ignored_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    score = Inspector.load(folder).inspect(image).image_score
    assert not caplog.records
    add_part(folder, required=False)
    assert Inspector.load(folder).inspect(image).image_score == score
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "that this reb-pipeline does not know are ignored: regions."
    )


def test_a_required_part_of_a_later_version_refuses_the_model(folder: Path) -> None:
    add_part(folder, required=True)
    message = r"requires the part 'regions', which this reb-pipeline does not know: update"
    with pytest.raises(InputError, match=message):
        Inspector.load(folder)


def test_a_changed_part_list_is_refused(folder: Path) -> None:
    """Otherwise a model could be read without a part that it was calibrated with."""
    add_part(folder, required=True)
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"required": true', '"required": false'))
    with pytest.raises(InputError, match="was changed after it was written"):
        Inspector.load(folder)


def test_a_setting_of_a_later_version_refuses_the_model(folder: Path) -> None:
    scoring = json.loads((folder / MANIFEST).read_text())["scoring"]
    rewrite(folder, scoring={**scoring, "contrast": 2})
    with pytest.raises(InputError, match=r"scoring.contrast cannot be used.*update reb-pipeline"):
        Inspector.load(folder)


def test_scores_by_position_are_a_required_part(tmp_path: Path) -> None:
    good = GoodScores.of(np.random.default_rng(0).normal(5, 2, (20, 8, 8)))
    model = replace(tiny_model(), good_scores=good)
    write_model(model, str(tmp_path), LOCAL)
    assert_same(read_model(tmp_path).good_scores, good)
    parts = json.loads((tmp_path / MANIFEST).read_text())["parts"]
    assert parts["good_scores"]["required"]
    data = bytearray((tmp_path / "good_scores.npz").read_bytes())
    data[-1] ^= 1
    (tmp_path / "good_scores.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"'good_scores.npz' of .* is not what was packaged"):
        Inspector.load(tmp_path)
    (tmp_path / "good_scores.npz").unlink()
    with pytest.raises(InputError, match=r"'good_scores.npz' of .* cannot be read"):
        Inspector.load(tmp_path)


def test_a_global_branch_is_a_required_part_and_counts(tmp_path: Path) -> None:
    plain = tiny_model()
    kinds = np.arange(len(plain.bank.features)) % 2
    numbers = 2 * SQUARES**2
    gaussian = np.zeros(numbers), np.eye(numbers)
    branch = GlobalBranch(kinds, *gaussian, centre=0, spread=0.1, unit=3, excess=3)
    image = np.full((64, 64, 3), 90, np.uint8)
    for name, model in (("plain", plain), ("branch", replace(plain, global_branch=branch))):
        write_model(model, str(tmp_path / name), LOCAL)
    assert_same(read_model(tmp_path / "branch").global_branch, branch)
    parts = json.loads((tmp_path / "branch" / MANIFEST).read_text())["parts"]
    assert parts["global_branch"]["required"]
    without, found = (
        Inspector.load(tmp_path / name).inspect(image) for name in ("plain", "branch")
    )
    assert without.global_score == 0
    assert found.global_score > 0
    assert found.image_score == pytest.approx(without.image_score + found.global_score)
    np.testing.assert_array_equal(found.anomaly_map, without.anomaly_map)


def test_a_model_without_good_images_scores_alike_and_explains_nothing(
    original: Path, tmp_path: Path
) -> None:
    write_model(replace(tiny_model(), good_images=[]), str(tmp_path / "model"), LOCAL)
    image = np.full((64, 64, 3), 90, np.uint8)
    inspector = Inspector.load(tmp_path / "model")
    found, expected = (one.inspect(image) for one in (inspector, Inspector.load(original)))
    assert found.image_score == expected.image_score
    assert inspector.explain(found) == []


def test_a_folder_that_is_no_model(original: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no packaged model, for it has no model.json: give"):
        Inspector.load(tmp_path / "nothing")
    for name in ("2026-01-01", "2026-02-01"):
        shutil.copytree(original, tmp_path / "mono" / name / "model")
    newest = tmp_path / "mono/2026-02-01/model"
    with pytest.raises(InputError, match=f"did you mean '{newest}'"):
        Inspector.load(tmp_path / "mono")
    with pytest.raises(InputError, match="is no packaged model"):
        Inspector.load(original / "network.onnx")
    with pytest.raises(InputError, match=r"cannot be opened .*correct its path"):
        Inspector.load("gopher://packaged/model")


def test_parts_that_do_not_belong_together(tmp_path: Path) -> None:
    model, other = tiny_model(), tiny_model(ratio=0.25)
    write_model(
        replace(model, bank=other.bank, good_images=other.good_images), str(tmp_path), LOCAL
    )
    with pytest.raises(InputError, match="density is that of another coreset"):
        Inspector.load(tmp_path)


def exchanged(model: PackagedModel, part: str) -> PackagedModel:
    """A model with a part of another one, whose hashes are right."""
    other = tiny_model(ratio=0.25)
    if part == "bank and density":
        images = {"good_images": other.good_images}
        return replace(model, bank=other.bank, density=other.density, **images)
    if part == "calibration":
        return replace(model, calibration=other.calibration)
    if part == "scores by position":
        scores = GoodScores(np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32))
        return replace(model, good_scores=scores)
    if part == "golden image":
        return replace(model, pose=replace(Pose.to(GOOD["good/000"], SHIFT), most_twin=1.0))
    section, values = {
        "features": ("features", {"image_size": 2 * SIZE}),
        "form": ("scoring", {"form": "subtract"}),
        "alpha": ("scoring", {"alpha": 0.75}),
    }[part]
    there = model.manifest[section]
    return replace(model, manifest={**model.manifest, section: {**there, **values}})


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("bank and density", "The calibration is that of another coreset than is there now"),
        ("calibration", "The calibration is that of another coreset than is there now"),
        ("scores by position", "The calibration is that of another detector than is there now"),
        ("golden image", "Its golden image is that of another model"),
        ("features", "model.json has another image_size of the features than the detector"),
        ("form", "The calibration was made with scoring.form = 'subtract_squared', not 'subtract'"),
        ("alpha", "The calibration was made with alpha = 0.5, and the detector has 0.75"),
    ],
)
def test_a_part_that_was_exchanged_is_refused(tmp_path: Path, part: str, fault: str) -> None:
    detector, calibration, _ = train()
    calibration = replace(calibration, detector_fingerprint=detector.fingerprint)
    model = replace(tiny_model(), calibration=calibration)
    write_model(model, str(tmp_path / "whole"), LOCAL)
    assert Inspector.load(tmp_path / "whole").calibration.is_same(calibration)
    write_model(exchanged(model, part), str(tmp_path / "exchanged"), LOCAL)
    message = (
        rf"model of part do not belong together \({re.escape(fault)}.*\): copy the whole folder"
    )
    with pytest.raises(InputError, match=message):
        Inspector.load(tmp_path / "exchanged")


def test_a_write_that_fails_leaves_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reb_pipeline.inspection.model.write_manifest", fail)
    with pytest.raises(OSError, match="No space"):
        write_model(model, str(tmp_path), LOCAL)
    with pytest.raises(InputError, match="is no packaged model"):
        Inspector.load(tmp_path)


@pytest.mark.parametrize(
    ("engine", "command"),
    [
        ("onnxruntime", "pip install onnxruntime"),
        ("openvino", r"pip install -e '\.\[openvino\]'"),
    ],
)
def test_an_engine_that_is_missing_is_named_with_the_command_that_installs_it(
    original: Path, engine: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reb_pipeline.features.openvino_core import openvino_core

    openvino_core.cache_clear()
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(InputError, match=rf"run `{command}`\."):
        Inspector.load(original, engine)


def test_an_unknown_engine(original: Path) -> None:
    with pytest.raises(InputError, match="Engine 'onnxruntim' is unknown: did you mean 'onnxrun"):
        Inspector.load(original, "onnxruntim")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_that_the_engine_cannot_read(tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    model = replace(tiny_model(), network=b"no network")
    write_model(model, str(tmp_path), LOCAL)
    with pytest.raises(InputError, match=f"cannot be read by {engine}.*install a newer"):
        Inspector.load(tmp_path, engine)


def test_the_manifest_tells_nothing_of_this_machine(original: Path) -> None:
    text = (original / MANIFEST).read_text()
    assert str(Path.home()) not in text
    assert str(original) not in text
    assert manifest.FORMAT in text
