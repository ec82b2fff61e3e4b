"""Stage the pages of the docs site: those of docs/, the READMEs, and one page of Python reference for each package.

    python docs/site/stage.py [FOLDER]

writes ``docs_source`` (pages and images) and ``docs_code`` (the package, for its docstrings) into the folder, ``build``
by default. Links between pages lead to their new places; a link to another file of the repository leads to a page with
its text. A notebook has the outputs of its executed copy where `make notebooks` has made one.
"""

import json
import os
import re
import shutil
import sys
from base64 import b64decode
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/reb_pipeline"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc|obj):`~?(?:reb_pipeline\.)?([^`]+)`")
EXAMPLE = re.compile(r"^( +)Example:$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # of a terminal
EXECUTED = ROOT / "build/notebooks"
LANGUAGES = {".cff": "yaml", ".yml": "yaml"}


def pages() -> dict[Path, str]:
    """Each written page of the repository with its place in the site."""
    found = {ROOT / "README.md": "index.md"}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        found[path] = path.relative_to(ROOT / "docs").as_posix().replace("README.md", "index.md")
    for path in sorted((PACKAGE / "pipelines").glob("*/README.md")):
        found[path] = f"reference/pipelines/{path.parent.name}.md"
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found[path] = f"notebooks/{path.stem}.md"
    found[ROOT / "benchmarks/README.md"] = "measured/commands.md"
    found[ROOT / "CHANGELOG.md"] = "reference/changes.md"
    found[ROOT / "CONTRIBUTING.md"] = "background/contributing.md"
    return found


def packages() -> dict[Path, str]:
    """Each package below ``reb_pipeline`` with the place of its Python reference."""
    return {
        path.parent: f"reference/python/{path.parent.name}.md"
        for path in sorted(PACKAGE.glob("*/__init__.py"))
    }


def stage(folder: Path) -> None:
    """Write pages, images, Python reference and package into a folder."""
    source, code = folder / "docs_source", folder / "docs_code"
    for old in (source, code):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(ROOT / "docs/images", source / "images")
    shutil.copytree(ROOT / "docs/site", source / "site", ignore=shutil.ignore_patterns("*.py*"))
    for path, place in pages().items():
        _write(source / place, _relinked(path, place, source))
    for package, place in packages().items():
        _write(source / place, f"::: reb_pipeline.{package.name}\n")
    for path in PACKAGE.rglob("*.py"):
        text = ROLE.sub(r"`\1`", path.read_text(encoding="utf-8"))  # roles are Sphinx's
        text = EXAMPLE.sub(r"\1Examples:", text)  # the name that is set as code
        _write(code / path.relative_to(ROOT / "src"), text)


def _relinked(path: Path, place: str, source: Path) -> str:
    """Text of a page whose links lead to where their targets are in the site."""

    def moved(link: re.Match[str]) -> str:
        target = _place_of((path.parent / link[1]).resolve(), source)
        return os.path.relpath(target, os.path.dirname(place) or ".")

    is_notebook = path.suffix == ".ipynb"
    text = _notebook(path, place, source) if is_notebook else path.read_text(encoding="utf-8")
    shown = 0
    parts = []
    for fence in FENCE.finditer(text):  # code stays as it is
        parts += [LINK.sub(moved, text[shown : fence.start()]), fence[0]]
        shown = fence.end()
    return "".join([*parts, LINK.sub(moved, text[shown:])])


def _notebook(path: Path, place: str, source: Path) -> str:
    """Text of a notebook as a page, with the outputs of its executed copy if that has the same cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    executed = EXECUTED / path.name
    if executed.is_file():
        with_outputs = json.loads(executed.read_text(encoding="utf-8"))["cells"]
        if [cell["source"] for cell in cells] == [cell["source"] for cell in with_outputs]:
            cells = with_outputs
    parts = []
    for number, cell in enumerate(cells):
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        printed = ""
        for order, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            if "image/png" in data:
                picture = (source / place).with_name(f"{Path(place).stem}_{number}_{order}.png")
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(b64decode("".join(data["image/png"])))
                parts.append(f'<img alt="Output" src="{picture.name}">')
            elif output.get("name") != "stderr":  # no logs and progress bars
                text = "".join(output.get("text", data.get("text/plain", "")))
                printed += COLOUR.sub("", text).rstrip() + "\n"
        if printed := printed.strip("\n"):
            parts.append(f"```text\n{printed}\n```")
    return "\n\n".join(parts) + "\n"


def _place_of(target: Path, source: Path) -> str:
    """Place of a file of the repository in the site; a page with its text is made of one that has none."""
    known = pages()
    if target in known:
        return known[target]
    if target.is_relative_to(ROOT / "docs/images"):
        return target.relative_to(ROOT / "docs").as_posix()
    for package, place in packages().items():
        if target.is_relative_to(package):
            return place
    name = target.relative_to(ROOT).as_posix()
    language = LANGUAGES.get(target.suffix, target.suffix.removeprefix("."))
    text = target.read_text(encoding="utf-8")
    page = f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n````{language}\n{text}\n````\n"
    place = f"files/{name.lstrip('.')}.md"  # hidden folders are no part of a site
    _write(source / place, page)
    return place


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build")
