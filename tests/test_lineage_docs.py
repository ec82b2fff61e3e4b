"""The tables of the pipelines' pages and of the catalog's page repeat the lineage as it is."""

import re
from collections import defaultdict

import pytest
from kedro.pipeline import Node
from parse import parse

from pages import DOCS, SOURCES, names, pipelines, rows
from reb_pipeline.parameters.studies import StudiesParams, StudyParams

CATEGORIES = ("mono", "poly")
# Those that share one shape; the page of the package describes a node of theirs once, for all.
STUDIES = "|".join(
    name for name, field in StudiesParams.model_fields.items() if field.annotation is StudyParams
)
PIPELINE_PAGES = sorted((SOURCES / "pipelines").glob("*/README.md"))


def general(name: str) -> str:
    """The name of a node, dataset or parameter as it is for every category and study."""
    for category in CATEGORIES:
        name = re.sub(rf"^(params:)?{category}\.", r"\1", name)
        name = re.sub(rf"_{category}$", "_<category>", name)
    name = re.sub(rf"^(params:studies\.)({STUDIES})$", r"\1<study>", name)
    name = re.sub(rf"^study_({STUDIES})_", "study_<study>_", name)
    return re.sub(rf"^(measure|gather|draw)_({STUDIES})$", r"\1_<study>", name)


def short(node: Node) -> str:
    """The name of a node without its namespaces, as it is for every study."""
    return general(node.name.rpartition(".")[2])


def of_pattern(node: str, values: dict[str, str]) -> str:
    """The name of a node as it is for every value of a pattern of the catalog, such as ``train_{model}``."""
    for field, value in values.items():
        node = re.sub(rf"_{value}$", f"_{{{field}}}", node)
    return node.replace("<study>", "{study}")


def lineage(name: str) -> dict[str, tuple[set[str], set[str]]]:
    """Inputs and outputs of each node of a registered pipeline."""
    return {
        short(node): (set(map(general, node.inputs)), set(map(general, node.outputs)))
        for node in pipelines()[name].nodes
    }


def table(page: str) -> dict[str, tuple[set[str], set[str]]]:
    """Inputs and outputs of each node by the table of a page."""
    _, found, rest = page.partition("\n| node | in | out |\n")
    return {
        node: (set(names(cells[0])), set(names(cells[1])))
        for node, cells in rows(rest.partition("\n\n")[0]).items()
        if found
    }


@pytest.mark.parametrize("path", PIPELINE_PAGES, ids=lambda path: path.parent.name)
def test_a_pipelines_table_is_its_lineage(path):
    nodes, described = lineage(path.parent.name), table(path.read_text())
    for node, (inputs, outputs) in described.items():
        assert (node, inputs, outputs) == (node, *nodes[node])


def test_every_node_is_described():
    described = {node for path in PIPELINE_PAGES for node in table(path.read_text())}
    for path in PIPELINE_PAGES:
        assert lineage(path.parent.name).keys() <= described, path.parent.name


def test_the_catalog_page_names_the_nodes_that_write_each_dataset():
    section = (DOCS / "reference/catalog.md").read_text().partition("\n## Datasets\n")[2]
    listed = rows(section.partition("\n#")[0])
    patterns = sorted(listed, key=lambda name: len(re.sub(r"{\w+}", "", name)), reverse=True)
    written, read = defaultdict(set), defaultdict(set)
    for pipeline in pipelines().values():
        for node in pipeline.nodes:
            for datasets, nodes in ((node.outputs, written), (node.inputs, read)):
                for dataset in datasets:
                    for pattern in patterns:  # the one with the most letters first
                        if found := parse(pattern, dataset):
                            nodes[pattern].add(of_pattern(short(node), found.named))
                            break
    for name in listed:
        cell = listed[name][3]
        if same := re.match(r"as `(\w+)`", cell):
            assert "{category}." + same[1] in listed, name
        elif name in written:
            assert set(names(cell)) == written[name], name
        else:  # written by the nodes that it is handed to, by a hook, or by nobody
            assert set(names(cell)) in (set(), read[name]), name
