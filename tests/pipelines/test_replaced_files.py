"""Every stored file that a step reads, replaced or of another run: the next run of the step says so."""

import pytest
from kedro.pipeline import Pipeline

import miniatures
from conftest import ROOT, SMALL
from reb_pipeline.project import hooks

PIPELINES = ["full", "feature_reconstruction", "hybrid", "pixel_reconstruction"]


@pytest.fixture
def stored(run_project, tmp_path):
    """A category after a run of most pipelines."""
    data = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {
        "data_root": str(data),
        **SMALL,
        "feature_reconstruction": {"updates": 2},
        "pixel_reconstruction": {"updates": 2, "image_size": 32},
    }
    run_project("folder", params, pipeline_names=PIPELINES)
    return params


@pytest.fixture
def warnings_of(monkeypatch, tmp_path, messages_of):
    """What the checks before a run of some nodes say of its inputs."""
    from kedro.framework.project import pipelines, settings
    from kedro.framework.startup import bootstrap_project

    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)

    def warnings(params, select):
        given = {"output_root": str(tmp_path / "out"), **params}
        session = settings.SESSION_CLASS.create(ROOT, env="folder", runtime_params=given)
        context = session.load_context()
        found = {}
        for name in PIPELINES:
            for node in pipelines[name].nodes:
                if select(node):
                    catalog = context.catalog
                    for dataset in node.inputs + node.outputs:
                        catalog.get(dataset)
                    checks = hooks.ManifestHooks()
                    checks.after_context_created(context)
                    said = messages_of(hooks.logger)
                    run = {"run_id": session.session_id}
                    checks.before_pipeline_run(run, Pipeline([node]), catalog)
                    checks.on_pipeline_error()
                    found[node.name] = " ".join(said)
        session.close()
        return found

    return warnings


def files_of(out):
    """Newest version of each stored dataset, by its name."""
    found = {}
    for path in sorted(out.rglob("*Z/*")):
        if path.is_file() and "run_manifest" not in path.name:
            category = path.parents[2].name
            found.setdefault((category, path.name.partition(".")[0]), path)
    return found


def test_every_replaced_file_is_named(stored, warnings_of, tmp_path):
    assert set(warnings_of(stored, lambda node: True).values()) == {""}  # as the run left it
    replaced, missed = 0, []
    for (category, name), path in files_of(tmp_path / "out").items():
        dataset = f"{name}_{category}" if name.endswith("metrics") else f"{category}.{name}"
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        for reader, said in warnings_of(stored, lambda node, of=dataset: of in node.inputs).items():
            replaced += 1
            if (
                f"{dataset} of run " not in said
                or "is not the file that this run saved" not in said
            ):
                missed.append((dataset, reader, said))
        path.write_bytes(original)
    assert not missed
    assert replaced > 50
