"""Folder of the configuration that comes with the project."""

from pathlib import Path

CONF_SOURCE = "conf"  # of a project, Kedro's default


def configuration_folder() -> Path:
    """Find the configuration that comes with the project: in a wheel inside the package, in a clone ``conf/``.

    Example:
        >>> from reb_pipeline.core.configuration import configuration_folder
        >>> (configuration_folder() / "base" / "catalog.yml").is_file()
        True
    """
    package = Path(__file__).parents[1]
    inside = package / CONF_SOURCE
    return inside if inside.is_dir() else package.parents[1] / CONF_SOURCE
