"""Command ``python -m reb_pipeline``: ``kedro run`` where there is no clone, with the configuration in the package."""

import os
import sys
from pathlib import Path
from typing import Any

from reb_pipeline.core.configuration import configuration_folder


def main(*args: Any, **kwargs: Any) -> Any:
    """Run pipelines; arguments and options are those of ``kedro run``."""
    if not Path("conf").is_dir():  # read while Kedro is imported
        logging = str(configuration_folder() / "logging.yml")
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", logging)
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    package = Path(__file__).parent.name
    configure_project(package)
    kwargs.setdefault("standalone_mode", not hasattr(sys, "ps1"))  # a notebook goes on afterwards
    return find_run_command(package)(*args, **kwargs)


if __name__ == "__main__":
    main()
