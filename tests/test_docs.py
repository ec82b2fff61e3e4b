"""Pages say the truth of parameters, catalog, environments and files."""

import dataclasses
import re
from importlib import import_module
from itertools import product
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from catalog_entries import layer, resolver
from pages import DOCS, PAGES, ROOT, names, rows
from reb_pipeline.metrics.registry import METRICS
from reb_pipeline.parameters import loader
from reb_pipeline.parameters.configurations import PIXEL_DETECTORS
from reb_pipeline.parameters.per_category import CATEGORY_SECTIONS, FREE_NAMES, SHARED_SECTIONS
from reb_pipeline.pipelines.registry import Registry
from reb_pipeline.pipelines.studies import STUDIES
from reb_pipeline.project.hooks import MANIFEST

BASE = {
    section: values
    for file in (ROOT / "conf/base").glob("parameters*.yml")
    for section, values in yaml.safe_load(file.read_text()).items()
}
PARAMETERS = [
    (section, name)
    for section, model in {**CATEGORY_SECTIONS, **SHARED_SECTIONS}.items()
    for name in model.model_fields
]


# In the place of a default that is too long for a cell; what is compared is told by the study's page.
GRIDS = "[grids](../../conf/base/parameters_studies.yml)"


def read(name: str) -> str:
    return (DOCS / name).read_text()


def heading_anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("section", "name"), PARAMETERS)
def test_parameter_is_explained_with_its_default(section: str, name: str) -> None:
    cells = rows(read("reference/parameters.md"))[f"{section}.{name}"]
    default = BASE[section][name]
    if cells[1] == GRIDS:
        grids = default if isinstance(default, list) else default["grids"]
        assert all(isinstance(grid, dict) for grid in grids)
    else:
        assert yaml.safe_load(cells[1].strip("`")) == default


def test_no_other_parameter_is_explained() -> None:
    names = {
        name for name in rows(read("reference/parameters.md")) if "." in name and "*" not in name
    }
    explained = {name for name in names if not name.endswith(".yml")}  # a file of the parameters
    assert explained == {f"{section}.{name}" for section, name in PARAMETERS}


def test_every_section_is_listed_with_its_file() -> None:
    listed = rows(read("reference/parameters.md"))
    for file in (ROOT / "conf/base").glob("parameters*.yml"):
        sections = re.findall(r"`(\w+)`", listed[file.name][0])
        assert sections == list(yaml.safe_load(file.read_text())), file.name


def test_seed_and_places_are_explained() -> None:
    explained = rows(read("reference/parameters.md"))
    assert set(FREE_NAMES) <= explained.keys()
    assert explained["seed"][1].strip("`") == str(BASE["seed"])


def test_sections_that_differ_by_category_are_listed() -> None:
    page = read("reference/parameters.md").partition("\n## Values of one category\n")[2]
    by_category, _, shared = page.partition("```")[0].partition(". The\nsections ")
    assert names(by_category) == list(CATEGORY_SECTIONS)
    assert names(shared) == list(SHARED_SECTIONS)


def test_every_section_says_what_a_change_makes_necessary() -> None:
    page = read("reference/parameters.md").partition("\n## What a change makes necessary\n")[2]
    first = [line.split("|")[1] for line in page.splitlines() if line.startswith("|")]
    named = {name.partition(".")[0] for cell in first for name in names(cell)}
    assert {*CATEGORY_SECTIONS, *SHARED_SECTIONS} <= named


def test_every_dataset_is_listed_with_its_layer_and_file(monkeypatch) -> None:
    monkeypatch.setattr(loader, "_active", None)  # whatever environment was there comes back
    catalog, listed = resolver(), {}
    table = read("reference/catalog.md").partition("\n## Datasets\n")[2].partition("\n#")[0]
    for name, cells in rows(table).items():
        for study, model in product([*STUDIES, "selection"], PIXEL_DETECTORS):
            values = {"category": "mono", "study": study, "model": model}
            listed[name.format_map(values)] = [cell.format_map(values) for cell in cells[:2]]
    used = set().union(*(pipeline.datasets() for pipeline in Registry().values()))
    used = {n for n in used if not n.startswith(("params:", "parameters")) and "poly" not in n}
    for name in {*used, MANIFEST}:
        entry, (place, file) = catalog.resolve_pattern(name), listed[name]
        assert place == layer(entry), name
        if "filepath" in entry:
            assert entry["filepath"].endswith("/" + file.strip("`")), name


def test_every_field_of_a_record_is_explained():
    _, _, section = read("reference/catalog.md").partition(
        "\n| record | field | dtype and shape | unit |\n"
    )
    explained: dict[str, list[str]] = {}
    for line in section.partition("\n\n")[0].splitlines()[1:]:
        record, fields = (names(cell) for cell in line.split("|")[1:3])
        if record:
            latest = explained.setdefault(record[0], [])
        latest += fields
    catalog = yaml.safe_load((ROOT / "conf/base/catalog.yml").read_text())
    records = {
        entry["record"]
        for name, entry in catalog.items()
        if not name.startswith("_")  # which are parts of entries
        and entry["type"].endswith((".ArraysDataset", ".AnomalyMapsDataset"))
    }
    stored = {}
    for module, _, name in (record.rpartition(".") for record in records):
        record_class = getattr(import_module(module), name)
        stored[name] = [
            field.name
            for field in dataclasses.fields(record_class)
            if field.metadata.get("stored", True)
        ]
    assert explained == stored


def test_every_metric_is_explained() -> None:
    section = read("background/method.md").partition("\n## Metrics\n")[2].partition("\n### ")[0]
    explained = [line for line in section.splitlines() if line.startswith("| `")]
    names = {name for line in explained for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert names == set(METRICS)


def test_every_environment_is_listed() -> None:
    environments = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} - {"local"}
    page = read("reference/benchmarks.md")
    assert environments <= rows(page).keys()
    for name in environments - {"base"}:
        assert f"kedro run --env {name}" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in heading_anchors(target.read_text()), link


def test_every_pipeline_has_a_page() -> None:
    for pipeline in (ROOT / "src/reb_pipeline/pipelines").glob("*/pipeline.py"):
        page = (pipeline.parent / "README.md").read_text()
        nodes = re.findall(r'name="(\w+)"', pipeline.read_text())
        assert page.startswith(f"# {pipeline.parent.name}\n")
        assert set(nodes) <= rows(page).keys()


def test_the_page_of_full_names_every_pipeline() -> None:
    pipelines = ROOT / "src/reb_pipeline/pipelines"
    page = (pipelines / "full/README.md").read_text()
    packages = {path.parent.name for path in pipelines.glob("*/README.md")} - {"full"}
    assert packages <= set(names(page))
    within = re.findall(r"^    (\w+),$", (pipelines / "full/pipeline.py").read_text(), re.MULTILINE)
    assert packages & set(names(page.partition("Other pipelines")[0])) == set(within)


def test_pages_that_files_name_exist() -> None:
    files = [path for kind in ("conf", "src", "benchmarks") for path in (ROOT / kind).rglob("*")]
    for path in [*files, ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "zensical.toml"]:
        if path.suffix in {".py", ".yml", ".toml"} or path.name == "Makefile":
            for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|py)", path.read_text()):
                assert (ROOT / page).is_file(), (path, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_use_the_words_of_the_field(page: Path) -> None:
    private = r"\b(?:judge[sd]?|told|likewise|pictures?|rooms?|bench|foretell)\b"
    assert re.findall(private, page.read_text(), re.IGNORECASE) == []


def test_every_study_has_a_page() -> None:
    table = read("how-to/studies.md")
    listed = rows((ROOT / "src/reb_pipeline/pipelines/studies/README.md").read_text())
    for name in STUDIES:
        command = f"kedro run --pipelines studies_{name}"
        assert f"[{name}](../measured/studies/{name}.md)" in table
        assert f"`{command}`" in table
        assert command in read(f"measured/studies/{name}.md")
        assert listed[f"studies_{name}"][0] == f"`{name}.py`"


def test_citation_names_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    identifiers = [
        identifier["value"]
        for reference in citation["references"]
        for identifier in reference["identifiers"]
    ]
    assert identifiers == ["arXiv:2308.12577", "arXiv:2405.09148"]
    assert all(
        {"type", "title", "authors"} <= reference.keys() for reference in citation["references"]
    )
