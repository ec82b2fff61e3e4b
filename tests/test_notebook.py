"""The quickstart runs from a clean clone, offline, and leaves nothing behind; `make notebooks` runs all."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks/quickstart.ipynb"


def files_of_the_project():
    # Not .viz: any command that another test runs at the same time writes there.
    folders = [ROOT / name for name in ("data", "notebooks", "conf")]
    return {
        path: path.stat().st_mtime_ns
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_quickstart_runs(monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    before = files_of_the_project()

    client = NotebookClient(
        notebook,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    client.execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(o["text"] for o in outputs if o.get("name") == "stdout")
    aurocs = re.findall(r"^image_auroc = (\d\.\d{3})$", printed, flags=re.MULTILINE)
    assert len(aurocs) == 1
    assert float(aurocs[0]) > 0.5
    assert any("image/png" in o.get("data", {}) for o in outputs)
    assert any("samples.parquet" in o.get("data", {}).get("text/plain", "") for o in outputs)
    assert files_of_the_project() == before


@pytest.mark.parametrize(
    "path", sorted(NOTEBOOK.parent.glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebooks_are_committed_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
