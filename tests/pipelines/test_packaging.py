"""From images to a packaged model that judges as the pipelines do."""

import errno
import logging
import re
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core.atomic import _NamedFile
from reb_pipeline.core.errors import InputError, input_error_behind
from reb_pipeline.core.storage import writing
from reb_pipeline.datasets import MVTecLOCODataset
from reb_pipeline.inspection import Inspector
from reb_pipeline.parameters.sections import PackagingParams
from reb_pipeline.pipelines.packaging import nodes
from tiny_model import train

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

STEPS = [
    "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "calibration"
]  # fmt: skip
PACKAGING = {"pipeline_names": ["packaging"], "namespaces": ["pushpins"]}
CHECK = {"pipeline_names": ["packaging"], "node_names": ["pushpins.packaging.check_package"]}


@pytest.fixture
def params(tmp_path):
    root = miniatures.make_mvtec_loco(tmp_path / "images")
    return {
        "data_root": str(root),
        **SMALL,
        "memory_bank": {"coreset_ratio": 0.2},
        "calibration": {"false_alarm_rate": 0.4},  # two calibration images
    }


def write_to_full_disk(file, data, write):
    """Write a file of a run; a packaged model does not fit."""
    with writing(file._target, len(data)):
        if "/model/" in file._target:
            raise OSError(errno.ENOSPC, "")
        return write(file, data)


def check_a_model_without_pictures(run_project, params, out, image, expected):
    """For parts that are secret: no picture in any file, and the same scores."""
    without = {**params, "packaging": {"good_images": False}}
    run_project("mvtec_loco", without, **PACKAGING)
    folder = newest(out / "06_models/pushpins", "model")
    records = ("appearance", "bank", "calibration", "density", "good_scores")
    may_be_there = {"model.json", "network.onnx", *(f"{name}.npz" for name in records)}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} <= may_be_there
    for path in folder.glob("*.npz"):
        with np.load(path) as arrays:
            assert not [name for name in arrays.files if arrays[name].dtype == np.uint8], path
    alone = Inspector.load(folder)
    again = alone.inspect(image)
    assert again.to_dict() | {"seconds": 0} == expected.to_dict() | {"seconds": 0}
    assert alone.explain(again) == []
    return folder


def test_a_packaged_model_judges_as_the_pipelines(
    run_project, params, tmp_path, messages_of, monkeypatch
):
    messages = messages_of(nodes.logger)
    steps = [*STEPS, "evaluation", "packaging"]
    out = run_project("mvtec_loco", params, pipeline_names=steps, namespaces=["pushpins"])

    folder = newest(out / "06_models/pushpins", "model")
    start = time.perf_counter()
    inspector = Inspector.load(folder)
    logging.getLogger(__name__).info("loaded in %.2f s", time.perf_counter() - start)
    assert inspector.name == "pushpins"
    scores = pd.read_parquet(newest(out / "07_model_output/pushpins", "scores.parquet"))
    maps = np.load(newest(out / "07_model_output/pushpins", "anomaly_maps.npz"))["patch_scores"]
    images = MVTecLOCODataset(path=params["data_root"], category="pushpins").load()
    found = [inspector.inspect(images.open_image(path)) for path in scores["path"]]
    np.testing.assert_allclose(
        [one.image_score for one in found], scores["image_score"], rtol=1e-3, atol=1e-3
    )
    assert max(one.anomaly_map.max() for one in found) <= maps.max() * 1.01
    patches = inspector.explain(found[0])
    assert {patch.image_id.split("/")[0] for patch in patches} == {"train"}

    parity = read_json(out / "08_reporting/pushpins", "package_parity.json")
    assert parity["model_id"] == inspector.model_id
    assert parity["images"] == 2
    assert parity["map_difference"] <= parity["tolerance"] == 1e-3
    assert parity["verdicts_differ"] == 0
    assert any(text.startswith("pushpins: The packaged model") for text in messages)

    parts = inspector.manifest["parts"].values()
    for name in [name for part in parts for name in part["files"]]:  # nothing tells of this machine
        data = (folder / name).read_bytes()
        assert str(tmp_path).encode() not in data, name
    assert str(tmp_path) not in (folder / "model.json").read_text()

    # On a disk that is full when the model is written.
    n_models = len(list((folder.parent.parent).iterdir()))
    write = _NamedFile.write
    with monkeypatch.context() as patched:
        patched.setattr(
            _NamedFile, "write", lambda file, data: write_to_full_disk(file, data, write)
        )
        with pytest.raises(DatasetError) as raised:
            run_project("mvtec_loco", params, **PACKAGING)
    assert re.match(
        r"'.*/06_models/pushpins/model/.*' cannot be written \(No space left on device\): it takes",
        str(input_error_behind(raised.value)),
    )
    assert len(list((folder.parent.parent).iterdir())) == n_models
    assert not list(out.rglob("*.partial"))

    image = images.open_image(scores["path"][0])
    folder = check_a_model_without_pictures(run_project, params, out, image, found[0])

    # The command on the package that is there.
    run_project("mvtec_loco", params, **CHECK)
    (folder / "density.npz").write_bytes(b"changed")
    with pytest.raises(DatasetError, match=r"'density.npz' of .* is not what was") as raised:
        run_project("mvtec_loco", params, **CHECK)
    assert input_error_behind(raised.value)  # one sentence on the command line


def test_a_model_that_can_flag_nothing_is_not_packaged():
    """Refused before the network is exported or an image is opened: nothing else is needed for it."""
    images = SimpleNamespace(category="pushpins")
    _, few, _ = train(rate=0.04)  # 19 calibration images
    given = {"samples": None, "raw_images": images, "backbone": None, "detector": None}
    rest = {"features": None, "scoring": None, "compute": None}
    message = (
        r"The model of pushpins can call no part .* 4 % .* 24 images .* packaging.allow_undecided"
    )
    params = PackagingParams(allow_undecided=False, good_images=True)
    with pytest.raises(InputError, match=message):
        nodes.package_model(**given, calibration=few, params=params, **rest)


def test_what_does_not_belong_together_is_refused(run_project, params):
    params["ssl_finetune"] = {"enabled": False}
    out = run_project("mvtec_loco", params, pipeline_names=STEPS, namespaces=["pushpins"])
    for changed, message in (
        (
            {"scoring": {"n_neighbors": 4}},
            "detector was fitted with scoring.n_neighbors = 45, not 4: run from the category",
        ),
        ({"features": {**params["features"], "neck": "paper"}}, "was made with neck = 'reference'"),
    ):
        with pytest.raises(InputError, match=message):
            run_project("mvtec_loco", {**params, **changed}, **PACKAGING)
    again = {**params, "memory_bank": {"coreset_ratio": 0.1}}
    run_project("mvtec_loco", again, node_names=["pushpins.memory_bank.select_coreset"])
    detector = {"node_names": ["pushpins.ldknn_density.fit_detector"]}
    with pytest.raises(InputError, match="local density is that of another memory bank or coreset"):
        run_project("mvtec_loco", again, **detector)
    run_project("mvtec_loco", again, node_names=["pushpins.ldknn_density.measure_local_density"])
    run_project("mvtec_loco", again, **detector)
    with pytest.raises(InputError, match="The calibration is that of another detector"):
        run_project("mvtec_loco", again, **PACKAGING)
    assert not (out / "06_models/pushpins/model").exists()


def test_a_package_that_differs_is_not_written(run_project, params, tmp_path, monkeypatch):
    from reb_pipeline.features import onnx_export

    params["ssl_finetune"] = {"enabled": False}
    export = onnx_export.export_onnx

    def wrong(network, side):
        network.scale *= 1.05
        data = export(network, side)
        network.scale /= 1.05
        return data

    monkeypatch.setattr(onnx_export, "export_onnx", wrong)
    steps = [*STEPS, "packaging"]
    with pytest.raises(
        InputError, match=r"differ on 2 good images .* 1e-03 of the largest value may"
    ):
        run_project("mvtec_loco", params, pipeline_names=steps, namespaces=["pushpins"])
    assert (tmp_path / "out/06_models/pushpins/calibration.npz").exists()
    assert not (tmp_path / "out/06_models/pushpins/model").exists()
