"""Commands of people and CI, hooks, versions and the list of slow tests exist."""

import re
import shlex
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reb_pipeline
from conftest import FAST, ROOT, SLOW
from lean import REQUIREMENTS, pins

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HOOKS = ROOT / ".pre-commit-config.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def jobs() -> list[tuple[str, dict]]:
    """Every job of every workflow, with its name."""
    return [(name, job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]


def exists(command: str) -> bool:
    """Return True for `make` with targets of the Makefile, and for a script of the project."""
    program, *arguments = shlex.split(command)
    if program == "make":
        return bool(arguments) and set(arguments) <= TARGETS
    return (ROOT / program).is_file()


def test_every_command_of_ci_exists():
    commands = [
        line
        for _, job in jobs()
        for step in job["steps"]
        for line in step.get("run", "").splitlines()
    ]
    assert {"make quick", "make test", "make test-lowest", "make test-wheel", "make docs"} <= set(
        commands
    )
    assert [command for command in commands if not exists(command)] == []


def test_a_missing_command_would_be_found():
    assert exists("make test")
    assert exists(".ci/run")
    assert not exists("make tea")
    assert not exists("make")
    assert not exists("scripts/none.sh")


def test_ci_runs_every_python_that_is_supported_and_none_older():
    versions = {
        version
        for _, job in jobs()
        for version in job.get("strategy", {}).get("matrix", {}).get("python-version", [])
    }
    assert versions == {"3.11", "3.12", "3.13"}
    assert PROJECT["requires-python"] == ">=" + min(versions)


@pytest.mark.parametrize("name", [name for name, _ in jobs()])
def test_a_job_checks_the_code_out_first_and_may_not_run_for_ever(name):
    job = dict(jobs())[name]
    assert job["steps"][0]["uses"].startswith("actions/checkout@")
    assert job["timeout-minutes"] <= 60


def test_hooks_are_the_lines_of_make_lint():
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint
    lines = [line.strip().replace("$(BIN)", ".venv/bin") for line in lint[1].splitlines()]
    (repository,) = load(HOOKS)["repos"]
    assert repository["repo"] == "local"  # nothing is fetched
    assert [hook["entry"] for hook in repository["hooks"]] == lines
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_dependabot_reads_files_that_exist():
    settings = load(ROOT / ".github/dependabot.yml")
    assert settings["version"] == 2
    by_kind = {update["package-ecosystem"]: update["directory"] for update in settings["updates"]}
    assert by_kind == {"pip": "/", "github-actions": "/"}
    assert {"pyproject.toml", "constraints.txt"} <= {path.name for path in ROOT.iterdir()}


def test_the_version_is_the_same_everywhere():
    assert reb_pipeline.__version__ == PROJECT["version"]
    assert load(ROOT / "CITATION.cff")["version"] == PROJECT["version"]


def test_the_newest_changes_come_first():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


@pytest.mark.parametrize("path", [*SLOW, *FAST])
def test_slow_and_fast_tests_are_where_the_lists_say(path):
    assert (ROOT / "tests" / path).exists()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_of_a_page_exist(page):
    named = set(re.findall(r"\bmake ([a-z][\w-]*)(?= +#|`)", (ROOT / page).read_text()))
    assert "quick" in named
    assert named <= TARGETS


def test_a_release_of_every_requirement_is_pinned_within_its_bounds():
    pinned = pins((ROOT / "constraints.txt").read_text())
    wanted = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [Requirement(line) for extra in wanted for line in extra]
    named = {one for one in requirements if one.name != PROJECT["name"]}
    assert [one.name for one in named if canonicalize_name(one.name) not in pinned] == []
    assert [
        str(one) for one in named if not one.specifier.contains(pinned[canonicalize_name(one.name)])
    ] == []


@pytest.mark.parametrize("path", [ROOT / "constraints.lock", REQUIREMENTS])
def test_a_lock_holds_the_hashes_of_releases_in_the_constraints(path):
    """`make lock` makes it so."""
    text = path.read_text()
    locked, pinned = pins(text), pins((ROOT / "constraints.txt").read_text())
    assert {name: pinned.get(name) for name in locked} == locked
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(locked)
    release = r"[\w.-]+==[\w.!+-]+(?: ; [^\n\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+"
    assert [block for block in blocks if not re.fullmatch(release, block)] == []


def test_the_lock_leaves_no_release_of_the_constraints_out():
    locked = pins((ROOT / "constraints.lock").read_text())
    assert locked == pins((ROOT / "constraints.txt").read_text())


def test_what_inspection_needs_is_pinned_with_all_that_it_needs_itself():
    """Of the packages in this environment; conditions are those of this machine."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    needed, found = set(), {Requirement(line) for line in groups["inspect"]}
    while found:
        one = found.pop()
        name = canonicalize_name(one.name)
        if name in needed:
            continue
        needed.add(name)
        extras = [{"extra": extra} for extra in one.extras] or [{"extra": ""}]
        for line in requires(name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(map(inner.marker.evaluate, extras)):
                found.add(inner)
    assert needed <= pins(REQUIREMENTS.read_text()).keys()


def test_what_inspection_needs_has_the_bounds_of_the_project():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    serve = PROJECT["optional-dependencies"]["serve"]
    assert set(serve) < set(groups["inspect"]) <= {*PROJECT["dependencies"], *serve}
