"""Run folders of an older release."""

import shutil

import pytest
import yaml

from reb_pipeline.core.configuration import configuration_folder
from reb_pipeline.core.errors import InputError
from reb_pipeline.project.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(configuration_folder() / "base", tmp_path / "conf/base")
    return RunFolder(tmp_path)


def test_a_folder_of_this_release_stays_byte_for_byte(folder):
    files = sorted((folder.configuration / "base").glob("*.yml"))
    before = [path.read_bytes() for path in files]
    folder.complete()
    assert [path.read_bytes() for path in files] == before


def test_what_an_older_release_lacks_is_added_and_what_it_says_stays(folder):
    parameters = folder.configuration / "base/parameters.yml"
    catalog = folder.configuration / "base/catalog.yml"
    whole, entries = (yaml.safe_load(path.read_text()) for path in (parameters, catalog))
    older = {**whole, "scoring": {**whole["scoring"], "alpha": 0.75}}
    del older["scoring"]["normalization"], older["evaluation"]
    parameters.write_text(yaml.safe_dump(older))
    name, other = list(entries)[-2:]
    changed = {"type": "pickle.PickleDataset", "filepath": "older.pkl"}
    catalog.write_text(
        yaml.safe_dump({key: entries[key] for key in entries if key != name} | {other: changed})
    )
    (folder.configuration / "base/parameters_presets.yml").unlink()

    folder.complete()

    found = yaml.safe_load(parameters.read_text())
    assert found["scoring"] == {**whole["scoring"], "alpha": 0.75}
    assert found["evaluation"] == whole["evaluation"]
    assert yaml.safe_load(catalog.read_text()) == {**entries, other: changed}
    assert "presets" in (folder.configuration / "base/parameters_presets.yml").read_text()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"scoring: [1", "cannot be read .*line 1"),
        (b"seed: \xff", "cannot be read"),
        (b"- seed", "gives no values to names"),
        (b"seed", "gives no values to names"),
    ],
)
def test_a_file_that_somebody_spoilt_is_named_and_stays(folder, content, fault):
    path = folder.configuration / "base/parameters.yml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"parameters.yml' {fault}.*: correct it"):
        folder.complete()
    assert path.read_bytes() == content
