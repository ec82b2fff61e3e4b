"""Kedro's loader of the configuration, with the categories and their parameters from the environment's YAML."""

import copy
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from reb_pipeline.core.configuration import CONF_SOURCE, configuration_folder
from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.moved import present_path
from reb_pipeline.parameters.per_category import (
    FREE_NAMES,
    SHARED_SECTIONS,
    apply_preset,
    expand_parameters,
)

LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},  # an environment lists only differences from base
}
CATEGORY = re.compile(r"[\w-]+")  # a dot would begin a nested namespace
# The catalog would read datasets of such a category as metrics, studies or candidates of another one.
AMBIGUOUS = re.compile(r"^(metrics|study|selection_candidates)_|_metrics_")
# Sections and names of parameters that are paths of files or folders, or names as well.
PATHS = (
    ("calibration", "folder"), ("bank_update", "add"), ("inspection", "input"), ("features", "weights"),
    ("features", "region"), ("features", "empty_field"), ("defect_synthesis", "saliency_source"),
    ("defect_synthesis", "texture_folder"), ("ingestion", "leave_out"),
    ("ingestion", "golden"),
)  # fmt: skip
NAMES = ("imagenet", "found")  # values of these that are names, even where a file is called so
# Resolvers of OmegaConf are those of the process: a loader has it to itself while it resolves.
_resolvers = threading.RLock()
_active: "ProjectConfigLoader | None" = None
_given: ContextVar[tuple[str, ...]] = ContextVar(
    "_given", default=()
)  # in the place of the loader's
logger = logging.getLogger(__name__)


class ProjectConfigLoader(OmegaConfigLoader):
    """Loader of Kedro that also gives the categories to the pipelines and expands parameters per category.

    Kedro creates the loader of the chosen environment before it requests the pipelines. So :func:`categories` can use
    the latest loader. A folder without ``conf/`` has the configuration that comes with the project.

    Attributes:
        project_path: Folder that relative paths start from; None for the working directory.
    """

    project_path: Path | None = None
    _categories: tuple[str, ...] = ()
    _expanded: tuple[Any, dict[str, Any]] | None = (
        None  # the parameters, with what they were made of
    )

    def __init__(self, conf_source: str, *args: Any, **kwargs: Any) -> None:
        global _active  # noqa: PLW0603  (Kedro passes no loader to the registry)
        folder = Path(conf_source)
        if folder.name == CONF_SOURCE and folder.parent.is_dir() and not folder.exists():
            conf_source = str(configuration_folder())
            logger.info("'%s' is not there: '%s' is used.", folder, conf_source)
        _check_environment(conf_source, *args, **kwargs)
        with _resolvers:
            super().__init__(conf_source, *args, **kwargs)
        _active = self

    @property
    def categories(self) -> list[str]:
        """Categories of the environment, ``categories`` in its ``globals.yml``, one name or a list.

        They are read once: pipelines ask for them hundreds of times.
        """
        if not self._categories:
            self._categories = tuple(self._read_categories())
        return list(self._categories)

    def _read_categories(self) -> list[str]:
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
            InputError: If a file cannot be read, or the catalog names a class by a former path or has no place for a
                given ``split``.
        """
        with _resolvers:
            self._register_globals_resolver()
            OmegaConf.register_new_resolver("by_category", self._by_category, replace=True)
            return self._checked(key)

    def _checked(self, key: str) -> Any:
        if key == "parameters":
            return copy.deepcopy(self._expanded_parameters())
        if key != "catalog":
            return self._load(key)
        # Before the catalog, which Kedro cannot resolve while another configuration is loaded.
        self._parameters, self._names = self["parameters"], self.categories
        config = self._load(key)
        _check_paths(config)
        _check_split(config, self._parameters.get("split", {}))
        sections = [self._parameters[each].get("ingestion") or {} for each in self._names]
        _check_channels(config, [section.get("channels") for section in sections])
        return config

    def _expanded_parameters(self) -> Any:
        """Load and expand the parameters; a session asks three times, and its files and given values stay."""
        made_of = (repr(self.runtime_params), self.data.get("parameters"), Path.cwd())
        if self._expanded is None or self._expanded[0] != made_of:
            config = apply_preset(self._load_parameters(), self.runtime_params or {})
            config = expand_parameters(config, self.categories)
            check_places(config, self.categories)
            config = self._below_project(config)
            self._expanded = made_of, config
        return self._expanded[1]

    def _load_parameters(self) -> Any:
        """Load the parameters; the seed of an environment is that of the sections in base too.

        Kedro replaces ``${seed}`` in base before it reads the environment.
        """
        config, given = self._load("parameters"), self.runtime_params
        sections = [section for section in config.values() if isinstance(section, dict)]
        seed = config.get("seed")
        if "seed" in (given or {}) or all(one.get("seed", seed) == seed for one in sections):
            return config
        self.runtime_params = {**(given or {}), "seed": seed}
        try:
            return self._load("parameters")
        finally:
            self.runtime_params = given

    def _load(self, key: str) -> Any:
        """Load a configuration as Kedro does.

        Raises:
            InputError: If a file of this configuration or of another one cannot be read.
        """
        try:
            return super().__getitem__(key)
        except (InputError, MissingConfigException, KeyError):
            raise
        except Exception as error:  # of YAML, OmegaConf, or Kedro on a file without names
            for folder in (self.base_env, self.env or self.default_run_env):
                _check_files(Path(self.conf_source, folder or ""))
            if isinstance(error, OmegaConfBaseException):
                msg = (
                    f"The configuration {key!r} cannot be used ({_first_line(error)}): correct it."
                )
                raise InputError(msg) from error
            raise

    def _below_project(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Take relative paths among the parameters as below the project, like those of the catalog."""
        if self.project_path is None or Path.cwd() == self.project_path:
            return parameters
        for category in self.categories:
            for section, name in PATHS:
                path = parameters[category][section].get(name)
                if (
                    isinstance(path, str)
                    and path not in NAMES
                    and "://" not in path
                    and (self.project_path / path).exists()
                ):
                    parameters[category][section][name] = os.path.relpath(self.project_path / path)
        return parameters

    def _by_category(self, path: str) -> dict[str, Any]:
        """Resolve ``${by_category:<section>.<name>}`` in the catalog: the parameter of each category."""
        section, name = path.split(".")
        return {each: self._parameters[each][section].get(name) for each in self._names}


def categories() -> list[str]:
    """List the categories of the environment in use.

    This is the environment of the session that is starting. Without a session (``kedro registry list``) it is that of
    ``KEDRO_ENV``, or base. Within :func:`given_categories` it is what was given.
    """
    if given := _given.get():
        return list(given)
    loader = _active
    if loader is None:
        root = find_kedro_project(Path.cwd()) or Path.cwd()
        loader = ProjectConfigLoader(
            str(root / CONF_SOURCE), env=os.getenv("KEDRO_ENV"), **LOADER_ARGS
        )
    return loader.categories


@contextmanager
def given_categories(names: Iterable[str]) -> Iterator[None]:
    """Let :func:`categories` be the given ones, for pipelines of a project that has another loader."""
    token = _given.set(tuple(names))
    try:
        yield
    finally:
        _given.reset(token)


def _check_files(folder: Path) -> None:
    """Check that the YAML files of an environment can be read and hold names and values.

    Raises:
        InputError: For the first one that cannot.
    """
    for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        try:
            found = OmegaConf.load(path)
            fault = "" if isinstance(found, DictConfig) else "it must hold names and values"
        except UnicodeDecodeError:
            fault = "it is no UTF-8 text"
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f"line {mark.line + 1}: " if mark else ""
            fault = line + (getattr(error, "problem", None) or _first_line(error))
        except (OmegaConfBaseException, OSError) as error:
            fault = _first_line(error)
        if fault:
            msg = f"'{path}' cannot be read ({fault}): correct it."
            raise InputError(msg)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


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


def check_places(parameters: dict[str, Any], categories: list[str]) -> None:
    """Check that no path is an empty text, as of a variable that is not set: it would be the working folder.

    Raises:
        InputError: For the first one.
    """
    for category in categories:
        for section, name in PATHS:
            path = parameters[category][section].get(name)
            if isinstance(path, str) and not path.strip():
                msg = f"{section}.{name} of {category} is empty: give a path, or null for none."
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


def _check_channels(catalog: Any, channels: list[Any]) -> None:
    """Check that picked channels have an effect on the raw images.

    Raises:
        InputError: If no entry takes them.
    """
    raw = [entry for name, entry in catalog.items() if name.endswith(".raw_images")]
    picked = [one for one in channels if one is not None]
    if picked and not any("channels" in entry for entry in raw):
        msg = (
            f"ingestion.channels = {picked[0]!r} has no effect on the raw images: add `channels: "
            f"${{by_category:ingestion.channels}}` to their entry in the environment's catalog.yml."
        )
        raise InputError(msg)


def _check_environment(conf_source: str, env: str | None = None, **_: Any) -> None:
    folder = Path(conf_source)
    if env and folder.is_dir():
        check_known(
            [env], sorted(path.name for path in folder.iterdir() if path.is_dir()), "Environment"
        )
