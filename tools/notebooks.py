"""Execute all notebooks into a folder: `python tools/notebooks.py build/notebooks`."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def execute(path: Path) -> nbformat.NotebookNode:
    """Execute a notebook where it lies; the file stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    return notebook


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(NOTEBOOKS.glob("*.ipynb")):
        print(source.name, flush=True)  # noqa: T201
        nbformat.write(execute(source), folder / source.name)
