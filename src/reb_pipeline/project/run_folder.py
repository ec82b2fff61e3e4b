"""Folder of a training: a Kedro project of its own with configuration, data and log, beside the model."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reb_pipeline import __version__
from reb_pipeline.core.configuration import configuration_folder
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import writing
from reb_pipeline.parameters.loader import NAMES, PATHS
from reb_pipeline.parameters.per_category import apply_preset, merged
from reb_pipeline.project.photos import Category, reader_of

ENVIRONMENT = "folder"  # environment whose settings a training begins with
RAW_IMAGES = "{category}.raw_images"
MODEL, RUN = ".model", ".run"  # endings of the folders of models and runs
PROJECT = "pyproject.toml"
STATE = "training.json"  # what the folder was trained with
LOG = "training.log"
_PROJECT_FILE = """\
# A Kedro project: `kedro viz run` and `kedro run` work in this folder.
[tool.kedro]
package_name = "reb_pipeline"
project_name = {name}
kedro_init_version = "{kedro}"
source_dir = "."
"""


@dataclass(frozen=True)
class RunFolder:
    """Kedro project of one training.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def beside(cls, model: Path) -> "RunFolder":
        """Return the run folder of a model: ``bolt.run`` beside ``bolt.model``."""
        place = Path(os.path.abspath(model))  # "." and ".." have a name then
        return cls(place.with_name(f"{place.name.removesuffix(MODEL)}{RUN}"))

    def is_there(self) -> bool:
        """Return True if a training has made the folder."""
        return (self.path / PROJECT).is_file()

    @property
    def log(self) -> Path:
        """File with the log of Kedro."""
        return self.path / LOG

    @property
    def configuration(self) -> Path:
        """Folder with the configuration."""
        return self.path / "conf"

    def write(self, categories: Iterable[Category], settings: Mapping[str, Any]) -> None:
        """Write the project and its configuration; data of an earlier training stay.

        Args:
            categories: The categories of the training.
            settings: Parameters in the place of those of the environment, nested by section.

        Raises:
            InputError: If the folder is there and no such project, or cannot be written.
        """
        from kedro import __version__ as kedro

        if self.path.exists() and not self.is_there():
            msg = f"'{self.path}' is there and no folder of a training: move it, or give another --output."
            raise InputError(msg)
        source, local = configuration_folder(), self.configuration / "local"
        categories = list(categories)
        with writing(self.path / PROJECT):
            local.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source / "base", self.configuration / "base", dirs_exist_ok=True)
            shutil.copy(source / "logging.yml", self.configuration)
            (self.path / ".telemetry").write_text("consent: false\n")
            _write_yaml(local / "globals.yml", _globals(categories))
            _write_yaml(local / "catalog.yml", _catalog(categories))
            _write_yaml(local / "parameters.yml", _parameters(settings))
            # Written last: a folder with this file is whole.
            text = _PROJECT_FILE.format(name=json.dumps(self.path.name), kedro=kedro)
            (self.path / PROJECT).write_text(text)

    def complete(self) -> None:
        """Add the parameters and datasets that this release has and the folder of an older one lacks.

        What the folder says stays as it is, so that its model is the same.

        Raises:
            InputError: If a file of the configuration cannot be read.
        """
        for newer in sorted((configuration_folder() / "base").glob("*.yml")):
            path = self.configuration / "base" / newer.name
            if path.is_file() and path.read_bytes() == newer.read_bytes():
                continue  # of this release
            own = read_yaml(path) if path.exists() else {}
            is_nested = newer.name.startswith(
                "parameters"
            )  # an entry of the catalog is taken whole
            values = read_yaml(newer)
            together = merged(values, own) if is_nested else {**values, **own}
            if together != own:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".part")
                _write_yaml(partial, together)
                partial.replace(path)

    def run_id(self, categories: Iterable[Category]) -> str | None:
        """Find the id of the run that was begun with the same photos and settings; None if another one was.

        Args:
            categories: The categories of the training; :meth:`write` wrote its settings.
        """
        state = self._state()
        return state["run_id"] if state.get("made_of") == self._made_of(categories) else None

    def begin(self, run_id: str, categories: Iterable[Category]) -> None:
        """Store the id of a run with its photos and settings."""
        self._store({"run_id": run_id, "made_of": self._made_of(categories), "is_done": False})

    def end(self) -> None:
        """Store that the run is done and its model in place; later changes of the model stay."""
        self._store({**self._state(), "is_done": True})

    def _images_of_settings(self) -> list[Path]:
        """List local masks, photos of the empty field and golden images, which may be made anew under the same name."""
        values = read_yaml(self.configuration / "local" / "parameters.yml")
        given: list[Any] = []
        for section, names in (("features", ("region", "empty_field")), ("ingestion", ("golden",))):
            of_all = values.get(section) or {}
            own = (of_all.get("per_category") or {}).values()
            given += [one.get(name) for one in (of_all, *own) for name in names]
        paths = [Path(text.replace("\\${", "${")) for text in given if isinstance(text, str)]
        found = (sorted(path.rglob("*")) if path.is_dir() else [path] for path in paths)
        return [file for files in found for file in files if file.is_file()]

    @property
    def is_done(self) -> bool:
        """True if the run that was begun last is done and its model was put in place."""
        return bool(self._state().get("is_done"))

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.path / STATE).read_text())
        except (OSError, ValueError):
            return {}
        return state

    def _store(self, state: Mapping[str, Any]) -> None:
        with writing(self.path / STATE):
            (self.path / STATE).write_text(json.dumps(state, indent=2) + "\n")

    def _made_of(self, categories: Iterable[Category]) -> str:
        """Hash photos, by size and time of change, settings, and the images that these name."""
        digest = hashlib.sha256(__version__.encode())
        for file in sorted(self.configuration.rglob("*.yml")):
            digest.update(file.read_bytes())
        for image in self._images_of_settings():
            digest.update(image.read_bytes())
        for category in categories:
            for key in category.images.file_keys():
                digest.update(key.encode(errors="surrogateescape"))
        return digest.hexdigest()


def _globals(categories: list[Category]) -> dict[str, Any]:
    return {
        "data_root": _literal(categories[0].path),
        "categories": [category.name for category in categories],
    }


def _catalog(categories: list[Category]) -> dict[str, Any]:
    """Build the entries of the raw images, one for each category, from that of the environment."""
    text = (configuration_folder() / ENVIRONMENT / "catalog.yml").read_text(encoding="utf-8")
    template = yaml.safe_load(text)[RAW_IMAGES]
    return {
        RAW_IMAGES.format(category=category.name): template
        | {"category": category.name}
        | _place(category)
        | {"split": {name: _as_default(name, value) for name, value in category.split.items()}}
        for category in categories
    }


def _place(category: Category) -> dict[str, str]:
    """Say what reads the photos of a category, and where, in the fields of its entry."""
    if category.file:
        reader = f"reb_pipeline.datasets.{reader_of(category.file)}"
        return {"type": reader, "file": _literal(category.file)}
    return {} if category.folder == category.name else {"folder": _literal(category.folder)}


def _as_default(name: str, value: Any) -> Any:
    """Give a share of the split as the value that `--params split.<name>=…` can replace; an expression stays."""
    if isinstance(value, str) and name == "group_by":
        return _literal(value)
    return f"${{runtime_params:split.{name},{value}}}"


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the parameters of the environment, the preset if one is chosen, and the settings, as a command does."""
    files = ("base/parameters_presets.yml", f"{ENVIRONMENT}/parameters.yml")
    values: dict[str, Any] = {}
    for file in files:
        text = (configuration_folder() / file).read_text(encoding="utf-8")
        values |= yaml.safe_load(text)
    values = apply_preset(merged(values, settings), settings)
    for section, name in PATHS:
        inner = values.get(section)
        if isinstance(inner, dict) and isinstance(inner.get(name), str):
            text = inner[name]
            inner[name] = _literal(text if text in ("", *NAMES) else absolute(text))
    return values


def absolute(path: str) -> str:
    """Make a path that is there absolute, because a run has another working folder; others may be names."""
    return str(Path(path).absolute()) if "://" not in path and Path(path).exists() else path


def _literal(text: str) -> str:
    """Keep OmegaConf from replacing a part of a path."""
    return text.replace("${", "\\${")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of the configuration, which somebody may have edited.

    Raises:
        InputError: If it cannot be read, or gives no values to names.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        fault = " ".join(str(error).split())  # several lines
        raise InputError(f"'{path}' cannot be read ({fault}): correct it.") from error
    if not isinstance(values, dict):
        raise InputError(f"'{path}' gives no values to names: correct it.")
    return values


def _write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(
        yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
