"""Log of the command line, the same from any folder of the project."""

import os
from pathlib import Path

import yaml
from kedro.framework.project import LOGGING
from kedro.utils import find_kedro_project


def log_as_in_the_project() -> None:
    """Configure the log by the project's ``conf/logging.yml``, also in a folder below the project.

    Kedro looks for the file in the working directory only. Its own configuration would print errors with tracebacks. A
    file that ``KEDRO_LOGGING_CONFIG`` names has priority.
    """
    root = find_kedro_project(Path.cwd())
    if root is None or root == Path.cwd() or os.environ.get("KEDRO_LOGGING_CONFIG"):
        return
    file = Path(root, "conf/logging.yml")
    if file.is_file():
        LOGGING.configure(yaml.safe_load(file.read_text(encoding="utf-8")))
