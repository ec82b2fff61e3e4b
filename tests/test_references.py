"""Modules, names and files that pages, docstrings and configuration speak of exist."""

import ast
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from pages import PAGES, ROOT, SOURCES
from reb_pipeline.core.moved import MovedError

CODE = sorted(path for path in SOURCES.rglob("*.py") if path.name != "moved.py")
TEXTS = [
    *PAGES,
    *sorted((ROOT / "conf").rglob("*.yml")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
    ROOT / "pyproject.toml",
    ROOT / "Makefile",
]
DOTTED = re.compile(r"\breb_pipeline(?:\.[A-Za-z_]\w*)+")
ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc|obj):`([^`]+)`")
# A file of Python below the project's root, below src/reb_pipeline, or beside the page.
FILE = re.compile(r"`((?:[\w.]+/)+\w+\.py)\b[^`]*`")
FILES_OF_OTHERS = ("ADModels/",)  # the reference code


def exists(dotted: str) -> bool:
    """Return True if a dotted path leads to a module, or to a name in one."""
    module, attributes = dotted, []
    while not is_module(module):
        module, dot, name = module.rpartition(".")
        if not dot:
            return False
        attributes.insert(0, name)
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:  # of a package of an extra that is not installed
        return not (error.name or "").startswith("reb_pipeline")
    for name in attributes:
        try:
            found = getattr(found, name)
        except AttributeError:  # a field without a default is no attribute of its class
            return name in getattr(found, "__annotations__", {})
        except MovedError:
            return False
    return True


@cache
def is_module(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEXTS, ids=ids)
def test_modules_and_names_of_a_text_exist(path):
    text = path.read_text()
    assert [name for name in sorted(set(DOTTED.findall(text))) if not exists(name)] == []


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".md"], ids=ids)
def test_files_of_a_page_exist(path):
    homes = (ROOT, SOURCES, path.parent)
    for file in set(FILE.findall(path.read_text())):
        if not file.startswith(FILES_OF_OTHERS):
            assert any((home / file).is_file() for home in homes), file


@pytest.mark.parametrize("path", CODE, ids=ids)
def test_modules_and_names_of_docstrings_exist(path):
    text = path.read_text()
    missing = [name for name in sorted(set(DOTTED.findall(text))) if not exists(name)]
    tree = ast.parse(text)
    known = {node.name for node in ast.walk(tree) if hasattr(node, "name")}
    known |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    known |= {alias.asname or alias.name for node in imports for alias in node.names}
    for target in ROLE.findall(text):
        name = target.lstrip("~.").removesuffix("()")
        if not name.startswith("reb_pipeline") and name.partition(".")[0] not in known:
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("path", [path for path in CODE if path.name == "__init__.py"], ids=ids)
def test_modules_that_a_package_lists_exist(path):
    listed = re.findall(r"^- .*", path.read_text(), re.MULTILINE)
    named = {name for line in listed for name in re.findall(r"``([a-z_]+)``(?=[,:])", line)}
    modules = {module.stem for module in path.parent.iterdir()}
    assert named <= modules


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".md"], ids=ids)
def test_python_of_a_page_can_be_read_and_its_imports_exist(path):
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        code = f"{{{block}}}" if block.startswith('"') else block  # an entry of a registry
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("reb_pipeline"):
                for name in node.names:
                    assert exists(f"{node.module}.{name.name}"), name.name


def test_the_backbone_that_a_page_adds_is_one():
    backbones = import_module("reb_pipeline.features.backbones")
    page = (ROOT / "docs/reference/backbones.md").read_text()
    (entry,) = re.findall(r'```python\n("\w+": BackboneSpec.*?)```', page, re.DOTALL)
    added = eval(f"{{{entry}}}", vars(backbones))
    assert [type(spec) for spec in added.values()] == [backbones.BackboneSpec]
