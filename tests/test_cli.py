"""The command line as a user types it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pandas as pd
import pytest
import yaml

import conftest
import miniatures
from conftest import ROOT, newest, read_json

HEAVY = (
    "torch", "faiss", "matplotlib", "torchvision", "timm", "sklearn", "plotly", "cv2", "safetensors"
)  # fmt: skip


def flatten(params, prefix=""):
    """Nested parameters as `--params` takes them: a.b=1,a.c=2."""
    return ",".join(
        flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else f"{prefix}{name}={value}"
        for name, value in params.items()
    )


SMALL = flatten(conftest.SMALL)
SOME = ["carpet", "screw", "tile"]  # of MVTec AD, two of them textures
SHORTENED = GLOBALS, PARAMETERS = "mvtec_ad/globals.yml", "mvtec_ad/parameters.yml"


def readme_commands() -> set[str]:
    """Every `kedro …` line of the README's code blocks, without comments."""
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return {line for line in lines if line.startswith(("kedro ", "make "))}


# What runs each line of the README; the make targets are run by people and by CI.
README_COMMANDS = {
    "make run": "test_plain_run_ends_with_table_and_paths",
    "make quick": ".github/workflows/ci.yml",
    "make test": ".ci/run",
    "make docs": ".ci/run",
    "make wheel": ".ci/run",
    "make viz": "test_viz_build_shows_boxes_layers_and_previews",
    "kedro run --env folder --params data_root=path/to/images": "test_readme_runs",
    "kedro run --env mvtec_ad": "test_all_categories",
    "kedro run --env mvtec_ad --config conf/cpu.yml": "test_settings_for_a_machine_without_a_gpu",
    "kedro run --env mvtec_ad --namespaces screw": "test_readme_runs",
    "kedro run --env mvtec_ad --pipelines memory_bank": "test_all_categories",
    "kedro run --params scoring.alpha=auto": "test_readme_runs",
    "kedro run --params ssl_finetune.enabled=false": "test_fine_tuning_can_be_left_out",
    "kedro run --pipelines studies_arms": "test_study",
    "kedro run --pipelines selection": "test_selection",
}


def test_every_readme_command_is_run_here():
    assert readme_commands() == set(README_COMMANDS)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Miniatures in the place of the real data: some categories of MVTec AD, a folder, the cells."""
    root = tmp_path_factory.mktemp("images")
    for category in SOME:
        miniatures.make_mvtec_ad(root / "mvtec_ad", category=category)
    miniatures.make_plain_folder(root / "folder", category="part")
    miniatures.make_elpv(root / "elpv", good=50)  # five of them for calibration
    return root


def run_line(kedro, line, images, out, *more):
    """Run a README line on the miniatures: same words and some more, other data root, smaller network input."""
    env = line.split("--env ")[1].split()[0] if "--env" in line else "elpv"
    arguments = line.split()[1:]
    given = ""
    if "--params" in arguments:
        position = arguments.index("--params")
        given = arguments[position + 1] + ","
        del arguments[position : position + 2]
    given = "" if given.startswith("data_root=") else given
    params = f"data_root={images / env},output_root={out},{SMALL},{given}".rstrip(",")
    return kedro(*arguments, *more, "--params", params)


@pytest.mark.parametrize(
    "line",
    [
        "kedro run --env folder --params data_root=path/to/images",
        "kedro run --env mvtec_ad --namespaces screw",
        "kedro run --params scoring.alpha=auto",
    ],
)
def test_readme_runs(kedro, images, tmp_path, line):
    finished = run_line(kedro, line, images, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert "image_auroc" in finished.stdout
    assert "hardest_images.png" in finished.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Copy of the project, so that data and build stay out of this one."""
    project = tmp_path_factory.mktemp("project")
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", project)
    return project


@pytest.fixture(scope="module")
def plain_run(kedro, images, project):
    """The finished `kedro run` of the copy."""
    return kedro("run", "--params", f"data_root={images / 'elpv'},{SMALL}", cwd=project)


def test_plain_run_ends_with_table_and_paths(plain_run):
    finished = plain_run
    assert finished.returncode == 0, finished.stderr[-2000:]
    lines = finished.stdout.strip().splitlines()
    assert any(line.split()[:1] == ["mean"] for line in lines)
    paths = [Path(line.split(": ", 1)[1]) for line in lines if ".html" in line or ".png" in line]
    assert len(paths) == 6  # gallery, hardest images and report of both categories
    assert all(path.is_file() for path in paths)
    assert "it/s]" not in finished.stderr  # no bars, which are for terminals


def test_viz_build_shows_boxes_layers_and_previews(kedro, plain_run, project):
    """Its exit code is 0 even when it fails, so look at what was built."""
    assert plain_run.returncode == 0
    finished = kedro("viz", "build", "--include-previews", cwd=project)

    api = project / "build/api"
    main = json.loads((api / "main").read_text())
    layers = [
        "raw", "intermediate", "primary", "feature", "model_input", "models", "model_output",
        "reporting",
    ]  # fmt: skip
    assert main["layers"] == layers, finished.stderr
    boxes = {node["name"] for node in main["nodes"] if node["type"] == "modularPipeline"}
    steps = ("ingestion", "ssl_finetune", "memory_bank", "ldknn_density", "evaluation")
    assert {"mono", "poly", *(f"mono.{step}" for step in steps)} <= boxes
    assert {pipeline["id"] for pipeline in main["pipelines"]} >= {"mono", "poly", "studies_arms"}
    previewed = set()
    for node in main["nodes"]:
        if node["type"] == "data":
            page = json.loads((api / "nodes" / node["id"]).read_text())
            if page.get("preview"):
                previewed.add(node["name"])
    assert {
        "mono.raw_images",
        "mono.samples",
        "mono.saliency",
        "mono.synthetic_defects",
        "mono.backbone",
        "mono.defect_gallery",
        "mono.training_curve",
        "mono.memory_bank",
        "mono.anomaly_maps",
        "mono.scores",
        "mono.report",
        "mono.roc_curve",
        "mono.hardest_images",
        "metrics_mono",
        "summary",
    } <= previewed


def test_all_categories(kedro, images, tmp_path):
    """All categories of a configuration that lists only some."""
    out, conf = tmp_path / "out", shutil.copytree(ROOT / "conf", tmp_path / "conf")
    given = {name: yaml.safe_load((conf / name).read_text()) for name in SHORTENED}
    given[GLOBALS]["categories"] = SOME
    of_saliency = given[PARAMETERS]["defect_synthesis"]["per_category"]
    for name in of_saliency.keys() - SOME:
        del of_saliency[name]
    given[PARAMETERS]["summary"]["textures"] = ["carpet", "tile"]
    for name, values in given.items():
        (conf / name).write_text(yaml.safe_dump(values))
    source = ("--conf-source", str(conf))
    line = "kedro run --env mvtec_ad --params ssl_finetune.enabled=false"  # one of them, see above
    finished = run_line(kedro, line, images, out, *source)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert "mean of textures" in finished.stdout
    assert "mean of objects" in finished.stdout
    banks = [folder / "memory_bank.npz" for folder in (out / "06_models").iterdir()]
    assert len(banks) == len(SOME)

    line = "kedro run --env mvtec_ad --pipelines memory_bank"
    again = run_line(kedro, line, images, out, *source)

    assert again.returncode == 0, again.stderr[-2000:]
    assert {len(list(bank.iterdir())) for bank in banks} == {2}


def test_settings_for_a_machine_without_a_gpu(kedro, images, tmp_path):
    given = yaml.safe_load((ROOT / "conf/cpu.yml").read_text())
    params = given["run"]["params"]
    params |= {"data_root": str(images / "mvtec_ad"), "output_root": str(tmp_path / "out")}
    params["features"] |= {"image_size": 64}
    file = tmp_path / "cpu.yml"
    file.write_text(yaml.safe_dump(given))
    line = ["run", "--env", "mvtec_ad", "--namespaces", "screw", "--config", str(file)]
    finished = kedro(*line)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert newest(tmp_path / "out/08_reporting/screw", "report.html").is_file()


def test_the_older_pipeline_flag(kedro, images, tmp_path):
    out = tmp_path / "out"
    line = "kedro run --env mvtec_ad --namespaces screw --pipeline ingestion"
    assert run_line(kedro, line, images, out).returncode == 0
    assert newest(out / "03_primary/screw", "samples.parquet").is_file()


def test_categories_side_by_side(kedro, images, tmp_path):
    line = "kedro run --runner ParallelRunner"
    finished = run_line(kedro, line, images, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert newest(tmp_path / "out/08_reporting/poly", "report.html").is_file()


@pytest.mark.parametrize("folder", [".", "notebooks", "src/reb_pipeline"])
def test_bad_input_is_one_sentence(kedro, tmp_path, folder):
    given = ("--env", "mvtec_ad", "--params", f"data_root={tmp_path}/gone")
    finished = kedro("run", *given, cwd=ROOT / folder)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: Data root")
    assert "data_root" in last


def test_start_up_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "from kedro.framework.project import pipelines\n"
        "bootstrap_project(Path.cwd())\n"
        "assert {'full', 'memory_bank', '__default__'} <= set(pipelines)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"


def test_registry_list(kedro):
    finished = kedro("registry", "list")
    assert finished.returncode == 0
    names = (
        "ingestion", "defect_synthesis", "ssl_finetune", "memory_bank", "ldknn_density", "evaluation",
        "full", "__default__", "selection", "studies", "studies_arms", "mono", "poly",
    )  # fmt: skip
    for name in names:
        assert f"- {name}\n" in finished.stdout


def test_fine_tuning_can_be_left_out(kedro, images, tmp_path):
    line = "kedro run --params ssl_finetune.enabled=false"
    steps = ("--pipelines", "ingestion,defect_synthesis,ssl_finetune")  # all others: see above
    finished = run_line(kedro, line, images, tmp_path / "out", *steps)
    assert finished.returncode == 0, finished.stderr[-2000:]
    for category in ("mono", "poly"):
        history = read_json(tmp_path / "out/06_models" / category, "finetuning_history.json")
        assert history["updates"] == []
    assert not (tmp_path / "out/05_model_input/mono/finetuning_checkpoint.pt").exists()


def test_study(kedro, images, tmp_path):
    finished = run_line(kedro, "kedro run --pipelines studies_arms", images, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr[-2000:]
    table = pd.read_parquet(newest(tmp_path / "out/08_reporting", "study_arms_table.parquet"))
    measured = table[table["status"] == "measured"]
    assert set(zip(measured["representation"], measured["detector"], strict=True)) == {
        ("imagenet", "nearest"), ("imagenet", "ldknn"),
        ("defectmaker", "nearest"), ("defectmaker", "ldknn"),
    }  # fmt: skip
    assert set(measured["category"]) == {"mono", "poly", "mean"}
    figure = newest(tmp_path / "out/08_reporting", "study_arms_figure.json")
    assert f"study_arms_figure: {figure}" in finished.stdout


def test_selection(kedro, images, tmp_path):
    finished = run_line(kedro, "kedro run --pipelines selection", images, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr[-2000:]
    chosen = newest(tmp_path / "out/08_reporting", "selected_parameters.yml")
    assert f"selected_parameters: {chosen}" in finished.stdout
    scoring = yaml.safe_load(chosen.read_text())["scoring"]["per_category"]
    assert set(scoring) == {"mono", "poly"}
    assert not list((tmp_path / "out").rglob("scores.parquet"))


def test_gallery_needs_no_more_than_good_images(kedro, images, tmp_path):
    """As docs/how-to/your_own_images.md has it."""
    line = "kedro run --env folder --pipelines ingestion,defect_synthesis"
    finished = run_line(kedro, line, images, tmp_path / "out")
    assert finished.returncode == 0, finished.stderr[-2000:]
    last = finished.stdout.strip().splitlines()[-1]
    assert (
        last
        == f"part.defect_gallery: {newest(tmp_path / 'out/08_reporting/part', 'defect_gallery.png')}"
    )
    assert not (tmp_path / "out/06_models").exists()


def test_opencv_needs_no_libgl():
    """A bare server has neither libGL nor a window system: only OpenCV's headless wheel works there."""
    names = packages_distributions()["cv2"]
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [name for name in required if "opencv" in name] == ["opencv-python-headless>=5.0,<6"]
    if "opencv-python" in names:
        pytest.skip("the other build is installed, which needs them and works as well")
    files = [
        Path(file.locate()) for file in distribution(names[0]).files or [] if ".so" in file.name
    ]
    assert any(file.parent.name == "cv2" for file in files)
    for file in files:
        needed = re.findall(rb"lib(?:GL|X11|xcb|Qt|gtk|gthread)[\w.-]*\.so", file.read_bytes())
        assert not needed, (file, needed)


@pytest.mark.parametrize("env", ["base", "mvtec_ad"])
def test_the_resolved_catalog_is_yaml_of_plain_types(kedro, env):
    finished = kedro("catalog", "resolve-patterns", "--env", env)
    assert finished.returncode == 0, finished.stderr
    entries = yaml.safe_load(finished.stdout)
    assert all("type" in entry for entry in entries.values())
    assert {"summary", "run_comparison"} <= entries.keys()
    assert entries["summary"]["versioned"] is True
    assert not any({"args", "kwargs", "others"} & entry.keys() for entry in entries.values())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tags", "nosuch"], r"Tag 'nosuch' is unknown: known are gpu"),
        (["--nodes", "x"], r"Node 'x' is unknown: known are mono\."),
        (["--params", "categories=mono"], r"Parameter categories = 'mono' cannot be used: "),
        (
            ["--load-versions", "mono.samples:2020-01-01T00.00.00.000Z"],
            r"Version '2020-01-01T00\.00\.00\.000Z' of dataset 'mono.samples' is not stored: none is stored yet\.$",
        ),
    ],
)
def test_what_cannot_be_run_is_one_sentence(kedro, tmp_path, options, sentence):
    given = ["--params", f"output_root={tmp_path}"] if "--params" not in options else []
    finished = kedro("run", *options, *given)
    assert finished.returncode == 1
    assert re.search(rf"^Error: {sentence}", finished.stderr, re.MULTILINE), finished.stderr
    assert "Traceback" not in finished.stderr
