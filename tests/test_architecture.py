"""The contracts on imports hold, and the page on the architecture repeats them and the folders as they are."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from pages import DOCS, ROOT, SOURCES, names

PAGE = (DOCS / "background/architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def blocks(section: str) -> list[str]:
    """Code blocks of a section of the page, of its beginning without a name."""
    text = PAGE.partition(f"\n## {section}\n")[2] if section else PAGE
    return re.findall(r"```\n(.*?)\n```", text.partition("\n## ")[0], re.DOTALL)


def listed(block: str, folder: str) -> list[str]:
    """Names in a listing below a folder, one level down."""
    lines = block.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith(folder))
    indent = len(lines[start]) - len(lines[start].lstrip()) + 2
    found = []
    for line in lines[start + 1 :]:
        depth = len(line) - len(line.lstrip())
        if depth < indent:
            break
        if depth == indent:
            found += re.findall(r"(?:^| )(\w+(?:/|\.py))(?= |$)", line.strip().partition("   ")[0])
    return found


def parts(folder) -> list[str]:
    """Packages and modules of a folder as a listing names them."""
    packages = [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    return sorted(packages + files)


def test_contracts_hold():
    command = Path(sys.executable).with_name(
        "lint-imports"
    )  # apart: it disables the loggers of its process
    checked = subprocess.run(
        [command, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_page_lists_every_package():
    (listing,) = blocks("")
    assert sorted(listed(listing, "src/reb_pipeline/")) == parts(SOURCES)
    assert sorted(listed(listing, "pipelines/")) == parts(SOURCES / "pipelines")


def test_the_page_draws_the_arrows_of_the_contract():
    (layers,) = (c["layers"] for c in CONTRACTS["contracts"] if c["type"] == "layers")
    assert blocks("Arrows") == ["\n".join(layers)]


def test_the_names_to_add_a_line_to_exist():
    known = set()
    for path in [*SOURCES.rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                fields = (field for field in node.body if isinstance(field, ast.AnnAssign))
                known |= {node.name} | {f"{node.name}.{ast.unparse(f.target)}" for f in fields}
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                known |= {ast.unparse(target) for target in targets}
    symbols = {name for name in names(PAGE) if re.fullmatch(r"[A-Z]\w+(\.\w+)?", name)}
    in_class = {"FORMAT", "FORMER_NAMES"}  # class variables that a record may have
    variables = {"KEDRO_ENV"}
    assert symbols - in_class - variables - known == set()
