"""Versions of packaged models: whole ones only."""

import json
import pickle

import fsspec
import pytest
from kedro.io import DatasetError, Version

from reb_pipeline.core.atomic import register
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import PackagedModelDataset
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection import model as model_module
from tiny_model import tiny_model

pytest.importorskip("onnx")
pytest_plugins = ["object_storage"]


@pytest.fixture(autouse=True)
def _registered():
    register()


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(params=["file", "memory", "s3"])
def filepath(request, tmp_path):
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}{tmp_path}/model"
    return f"{tmp_path}/model" if request.param == "file" else f"memory://{tmp_path}/model"


def dataset(filepath, save="1", load=None):
    return PackagedModelDataset(filepath=filepath, version=Version(load, save))


def files(filepath):
    filesystem, path = fsspec.url_to_fs(filepath)
    filesystem.invalidate_cache()
    return filesystem.find(path)


def test_round_trip_and_versions(filepath, model):
    assert not dataset(filepath).exists()
    dataset(filepath).save(model)
    dataset(filepath, "2").save(tiny_model(rate=0.2))
    loaded = dataset(filepath, "3").load()
    assert loaded.calibration.false_alarm_rate == 0.2
    first = pickle.loads(pickle.dumps(dataset(filepath, "3", load="1")))
    assert Inspector(first.load()).calibration.false_alarm_rate == 0.1
    assert first.list_versions(full_path=False) == ["2", "1"]
    with pytest.raises(DatasetError, match="must not exist"):
        dataset(filepath, "2").save(model)


def test_the_folder_is_what_users_load(tmp_path, model):
    one = PackagedModelDataset(filepath=tmp_path / "model")
    assert not one.exists()
    one.save(model)
    assert one.exists()
    assert Inspector.load(tmp_path / "model").model_id == one.load().manifest["digest"]
    one.save(tiny_model(rate=0.2))  # without versions it is replaced
    assert Inspector.load(tmp_path / "model").calibration.false_alarm_rate == 0.2


def test_a_failed_save_leaves_nothing(filepath, model, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model_module, "write_manifest", fail)
        with pytest.raises(DatasetError, match="No space left"):
            dataset(filepath).save(model)
    assert files(filepath) == []
    dataset(filepath).save(model)
    assert dataset(filepath).load().network == model.network


def test_what_a_kill_leaves_is_no_version(filepath, model, monkeypatch):
    dataset(filepath, "1").save(model)
    with monkeypatch.context() as patch:
        patch.setattr(model_module, "write_manifest", lambda *_: None)
        patch.setattr(PackagedModelDataset, "_invalidate_cache", lambda _: None)
        with pytest.warns(UserWarning, match="did not match load version"):
            dataset(filepath, "2").save(model)
    assert any("/2/model/network.onnx" in path for path in files(filepath))
    assert dataset(filepath, "3").list_versions(full_path=False) == ["1"]
    assert dataset(filepath, "3").load().network == model.network
    assert not dataset(filepath, "3", load="2").exists()
    with pytest.raises(InputError, match="is no packaged model"):
        dataset(filepath, "3", load="2").load()
    dataset(filepath, "3").save(model)  # the next run
    assert not [path for path in files(filepath) if "/2/" in path]
    dataset(filepath, "2").save(model)  # the same run goes on
    assert dataset(filepath, "3").list_versions(full_path=False) == ["3", "2", "1"]


def test_a_changed_file_is_an_input_error(filepath, model):
    one = dataset(filepath)
    one.save(model)
    path = next(path for path in files(filepath) if path.endswith("density.npz"))
    one._fs.pipe_file(path, b"changed")
    with pytest.raises(InputError, match=r"'density.npz' of .* is not what was packaged"):
        one.load()


def test_it_stores_packaged_models_only(filepath):
    with pytest.raises(DatasetError, match="stores a PackagedModel, not a dict"):
        dataset(filepath).save({})
    assert files(filepath) == []


def test_preview(filepath, model):
    one = dataset(filepath)
    one.save(model)
    told = json.loads(one.preview())
    assert told["name"] == "part"
    assert told["digest"] == one.load().manifest["digest"]
    assert "parts" not in told
