"""Kedro's loader of the configuration, with the categories and their parameters from the environment's YAML."""

import os
import re
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf import OmegaConf

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.moved import present_path
from reb_pipeline.parameters.per_category import FREE_NAMES, SHARED_SECTIONS, expand_parameters

CONF_SOURCE = "conf"
LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},  # an environment lists only differences from base
}
CATEGORY = re.compile(r"[\w-]+")  # a dot would begin a nested namespace
# The catalog would read datasets of such a category as metrics, studies or candidates of another one.
AMBIGUOUS = re.compile(r"^(metrics|study|selection_candidates)_|_metrics_")
_active: "ProjectConfigLoader | None" = None


class ProjectConfigLoader(OmegaConfigLoader):
    """Loader of Kedro that also gives the categories to the pipelines and expands parameters per category.

    Kedro creates the loader of the chosen environment before it requests the pipelines. So :func:`categories` can use
    the latest loader.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        global _active  # noqa: PLW0603  (Kedro passes no loader to the registry)
        _check_environment(*args, **kwargs)
        super().__init__(*args, **kwargs)
        OmegaConf.register_new_resolver("by_category", self._by_category, replace=True)
        _active = self

    @property
    def categories(self) -> list[str]:
        """Categories of the environment, ``categories`` in its ``globals.yml``, one name or a list."""
        names = self["globals"].get("categories")
        names = [names] if isinstance(names, str) else names
        if (
            not isinstance(names, list)
            or not names
            or not all(isinstance(name, str) and CATEGORY.fullmatch(name) for name in names)
        ):
            msg = (
                f"The categories {names!r} of environment {self.env or self.base_env!r} cannot be used: list at least "
                f"one name of letters, digits, '_' and '-' under `categories:` in its globals.yml, in quotes where it "
                f"looks like a number."
            )
            raise InputError(msg)
        for name in names:
            if name in (*SHARED_SECTIONS, *FREE_NAMES):
                msg = (
                    f"The category {name!r} of environment {self.env or self.base_env!r} cannot be used: parameters of "
                    f"all categories have this name; rename it under `categories:` in its globals.yml, and its folder."
                )
                raise InputError(msg)
            if AMBIGUOUS.search(name):
                msg = (
                    f"The category {name!r} of environment {self.env or self.base_env!r} cannot be used: what is "
                    f"stored of it would be taken for results of another one; rename it under `categories:` in its "
                    f"globals.yml, and its folder, so that it neither begins with 'metrics_', 'study_' or "
                    f"'selection_candidates_' nor contains '_metrics_'."
                )
                raise InputError(msg)
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            msg = (
                f"The category {repeated[0]!r} of environment {self.env or self.base_env!r} is listed more than once: "
                f"keep one under `categories:` in its globals.yml."
            )
            raise InputError(msg)
        return list(names)

    def __getitem__(self, key: str) -> Any:
        """Load a configuration; ``parameters`` are expanded per category, ``catalog`` is checked.

        Raises:
            InputError: If the catalog names a class by a former path, or has no place for a given ``split``.
        """
        if key != "catalog":
            config = super().__getitem__(key)
            return expand_parameters(config, self.categories) if key == "parameters" else config
        # Before the catalog, which Kedro cannot resolve while another configuration is loaded.
        self._parameters, self._names = self["parameters"], self.categories
        config = super().__getitem__(key)
        _check_paths(config)
        _check_split(config, self._parameters.get("split", {}))
        return config

    def _by_category(self, path: str) -> dict[str, Any]:
        """Resolve ``${by_category:<section>.<name>}`` in the catalog: the parameter of each category."""
        section, name = path.split(".")
        return {each: self._parameters[each][section][name] for each in self._names}


def categories() -> list[str]:
    """List the categories of the environment in use.

    This is the environment of the session that is starting. Without a session (``kedro registry list``) it is that of
    ``KEDRO_ENV``, or base.
    """
    loader = _active
    if loader is None:
        root = find_kedro_project(Path.cwd()) or Path.cwd()
        loader = ProjectConfigLoader(
            str(root / CONF_SOURCE), env=os.getenv("KEDRO_ENV"), **LOADER_ARGS
        )
    return loader.categories


def _check_paths(catalog: Any, entry: str = "") -> None:
    """Check before any import that no entry of the catalog names a class by a former path.

    Raises:
        InputError: For the first entry with a former path.
    """
    for name, value in catalog.items():
        if isinstance(value, dict):
            _check_paths(value, entry or name)
        elif isinstance(value, str) and (path := present_path(value)):
            msg = f"The catalog entry {entry!r} names {value}, which has moved to {path}: change its `{name}`."
            raise InputError(msg)


def _check_split(catalog: Any, split: dict[str, Any]) -> None:
    """Check that a parameter ``split.<name>`` has an effect on the raw images.

    Raises:
        InputError: For the first name whose value no entry has.
    """
    raw = [entry for name, entry in catalog.items() if name.endswith(".raw_images")]
    for name, value in split.items():
        if not any(
            value in (entry.get(name), (entry.get("split") or {}).get(name)) for entry in raw
        ):
            msg = (
                f"split.{name} = {value!r} has no effect on the raw images: give it by --params or in the "
                f"environment's catalog.yml, and only for images that do not come with a split of their own; for these "
                f"calibration.folder gives images to calibrate with."
            )
            raise InputError(msg)


def _check_environment(conf_source: str, env: str | None = None, **_: Any) -> None:
    folder = Path(conf_source)
    if env and folder.is_dir():
        check_known(
            [env], sorted(path.name for path in folder.iterdir() if path.is_dir()), "Environment"
        )
