"""Extensions of Kedro by the project: session, hooks and runners; and where its configuration is."""

from pathlib import Path


def configuration_folder() -> Path:
    """Find the configuration that comes with the project: in a wheel inside the package, in a clone ``conf/``.

    Example:
        >>> from reb_pipeline.project import configuration_folder
        >>> (configuration_folder() / "base" / "catalog.yml").is_file()
        True
    """
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"
