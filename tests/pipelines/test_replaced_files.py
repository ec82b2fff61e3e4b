"""Every stored file that a step reads, replaced or of another run: the next run of the step says so."""

import shutil
from itertools import chain

import pytest

import miniatures
from conftest import ROOT, SMALL
from reb_pipeline.project.hooks import manifest as hooks
from reb_pipeline.project.provenance import Manifests

PIPELINES = ["full", "feature_reconstruction", "hybrid", "pixel_reconstruction"]


@pytest.fixture
def stored(run_project, tmp_path):
    """Files of a category after a run of most pipelines."""
    data = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {
        "data_root": str(data),
        **SMALL,
        "feature_reconstruction": {"updates": 2},
        "pixel_reconstruction": {"updates": 2, "image_size": 32},
    }
    run_project("folder", params, pipeline_names=PIPELINES)


@pytest.fixture
def faults_of(monkeypatch, tmp_path):
    """Run each selected node's checks, and list what they say of its inputs."""
    from kedro.framework.project import pipelines, settings
    from kedro.framework.startup import bootstrap_project

    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    given = {"output_root": str(tmp_path / "out")}
    session = settings.SESSION_CLASS.create(ROOT, env="folder", runtime_params=given)
    catalog = session.load_context().catalog
    manifests = Manifests(catalog[hooks.MANIFEST])

    def faults(select, names=PIPELINES):
        found = {}
        for node in chain.from_iterable(pipelines[name].nodes for name in names):
            if select(node):
                inputs = {}
                for one in filter(lambda name: ":" not in name, node.inputs):
                    catalog[one].release()  # forgets the newest version
                    inputs[one] = hooks._version(catalog[one])
                versions = {name: version for name, version in inputs.items() if version}
                said = manifests.other_origins(versions, hooks._contents(versions, catalog))
                found[node.name] = " ".join(said)
        return found

    yield faults
    session.close()


def files_of(out):
    """Newest version of each stored dataset, by its name."""
    found = {}
    for path in sorted(out.rglob("*Z/*")):
        if path.is_file() and "run_manifest" not in path.name:
            category = path.parents[2].name
            found.setdefault((category, path.name.partition(".")[0]), path)
    return found


@pytest.mark.usefixtures("stored")
def test_every_replaced_file_is_named(faults_of, tmp_path):
    assert set(faults_of(lambda node: True).values()) == {""}  # as the run left it
    update = faults_of(lambda node: node.name.endswith("update_memory_bank"), ["bank_update"])
    assert list(update.values()) == [""]
    pairs, missed = 0, []
    for (category, name), path in files_of(tmp_path / "out").items():
        dataset = f"{name}_{category}" if name.endswith("metrics") else f"{category}.{name}"
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        replaced = faults_of(lambda node, of=dataset: of in node.inputs)
        path.write_bytes(original)
        of_another_run = path.parents[1] / "2999-01-01T00.00.00.000Z"
        shutil.copytree(path.parent, of_another_run)
        added = faults_of(lambda node, of=dataset: of in node.inputs)
        shutil.rmtree(of_another_run)
        for reader in replaced:
            pairs += 1
            is_named = (
                f"{dataset} of run {path.parent.name} is not the file that" in replaced[reader],
                f"{dataset} of run {of_another_run.name}" in added[reader],
            )
            if not all(is_named):
                missed.append((dataset, reader, is_named))
    assert not missed
    assert pairs > 50
