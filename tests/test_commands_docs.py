"""Every `kedro run` that a page shows is one that this project understands."""

import re
import shlex

import pytest
from kedro.framework.cli.project import run
from kedro.pipeline import Pipeline

from pages import PAGES, ROOT, pipelines
from reb_pipeline.parameters import loader

TEXTS = [*PAGES, *sorted((ROOT / "conf").rglob("*.yml")), ROOT / "notebooks/quickstart.ipynb"]
COMMAND = re.compile(r"kedro run(?: [^`\n#\\]*(?:\\\n[^`\n#\\]*)*)?")
PLACEHOLDER = re.compile(r"<\w+>|…|\.\.\.")  # as in studies_<name>
# An environment that a page has the reader make -> the one that it begins as.
MADE_BY_READER = {"press_shop": "folder"}


def commands() -> dict[str, str]:
    """Each command as it is shown first, with the page that shows it."""
    found = {}
    for path in TEXTS:
        for command in COMMAND.findall(path.read_text()):
            line = " ".join(command.replace("\\\n", " ").rstrip(" &").split())
            found.setdefault(line, str(path.relative_to(ROOT)))
    return found


COMMANDS = {line: page for line, page in commands().items() if not PLACEHOLDER.search(line)}


def test_commands_are_found():
    assert {"kedro run", "kedro run --pipelines full", "kedro run --nodes summarize"} <= set(
        COMMANDS
    )


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: f"{COMMANDS[line]}: {line}")
def test_a_command_is_understood(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(loader, "_active", None)
    options = run.make_context("run", shlex.split(line)[2:]).params
    env = MADE_BY_READER.get(options["env"], options["env"]) or "base"
    parameters = loader.ProjectConfigLoader(
        str(ROOT / "conf"), env=env, runtime_params=options["params"], **loader.LOADER_ARGS
    )
    assert parameters["parameters"]  # checks the names and values of --params

    registered = pipelines(env)
    named = [registered[name] for name in options["pipelines"] or ["__default__"]]
    chosen = Pipeline(named).filter(  # as Kedro does; refuses what is not there
        tags=options["tags"],
        from_nodes=options["from_nodes"],
        to_nodes=options["to_nodes"],
        node_names=options["node_names"],
        from_inputs=options["from_inputs"],
        to_outputs=options["to_outputs"],
        node_namespaces=options["namespaces"],
    )
    assert options["load_versions"].keys() <= chosen.datasets()


@pytest.mark.parametrize(
    "options",
    sorted(
        {
            found
            for path in PAGES
            for found in re.findall(r"kedro viz run((?: --\w+ [\w=/]+)+)", path.read_text())
        }
    ),
)
def test_what_is_to_be_opened_in_kedro_viz_is_there(options, monkeypatch):
    from kedro_viz.launchers.cli.run import run as viz

    monkeypatch.delenv("KEDRO_ENV", raising=False)
    asked = viz.make_context("run", shlex.split(options)).params
    assert asked["pipeline"] in (None, *pipelines(asked["env"] or "base"))
