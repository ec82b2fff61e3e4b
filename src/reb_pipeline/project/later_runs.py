"""Runs on a training that is done: its bank and calibration are changed, and the model is packaged again."""

import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.progress import short_lived_bars
from reb_pipeline.inspection.manifest import MANIFEST, read_manifest
from reb_pipeline.project.run_folder import RunFolder, read_yaml
from reb_pipeline.project.training import check_replaceable, configure, replace_models

PACKAGING = "packaging"


@dataclass(frozen=True)
class TrainedModel:
    """Model that a training made, with its run folder.

    Attributes:
        place: Folder of the packaged model.
        folder: The run folder.
        category: Name of the category in it.
    """

    place: Path
    folder: RunFolder
    category: str

    @classmethod
    def at(cls, place: Path) -> "TrainedModel":
        """Find the run folder of a model: beside it, or beside the folder of all models of the training.

        Raises:
            InputError: If there is no model, or its run folder is not there.
        """
        place = place.absolute()
        if not (place / MANIFEST).is_file():
            below = sorted(path.parent.name for path in place.glob(f"*/{MANIFEST}"))
            hint = f"give one of the models in it ({', '.join(below)})" if below else "correct it"
            msg = f"'{place}' is no packaged model, for it has no {MANIFEST}: {hint}."
            raise InputError(msg)
        for model in (place, place.parent):
            folder = RunFolder.beside(model)
            if folder.is_there():
                names = _categories(folder)
                category = names[0] if len(names) == 1 and model == place else place.name
                check_known([category], names, "Category")
                folder.complete()
                configure(folder)  # before anything is loaded
                return cls(place, folder, category)
        msg = (
            f"The run folder '{RunFolder.beside(place).path}' is not there, and without it the model cannot be "
            f"changed: put it beside the model, or train again by `reb train`."
        )
        raise InputError(msg)

    @property
    def rates(self) -> dict[str, float | None]:
        """Rates of the model; those of the run folder are others after a calibration that ended with an error."""
        calibration = read_manifest(str(self.place), LocalFileSystem())["calibration"]
        return {name: calibration.get(name) for name in ("false_alarm_rate", "doubtful_rate")}

    def run(self, pipeline: str, parameters: Mapping[str, Any]) -> None:
        """Run a pipeline, package the model, and replace it.

        Args:
            pipeline: Name of the pipeline.
            parameters: Parameters of this run, nested by section.

        Raises:
            InputError: If a parameter cannot be used, or another run has the folder.
        """
        check_replaceable(self.place)
        self._check_own()
        self._run_one(pipeline, parameters)
        self._run_one(PACKAGING, {})
        model = Path(self.catalog()[self._name("packaged_model")]._get_load_path())
        replace_models(self.place, {"": model})

    def _check_own(self) -> None:
        """Check that the model was made in the run folder, and does not only bear its name.

        Raises:
            InputError: If another model is there.
        """
        versions = Path(self.catalog()[self._name("packaged_model")]._filepath)
        own = {json.loads(path.read_bytes())["digest"] for path in versions.glob(f"*/*/{MANIFEST}")}
        if read_manifest(str(self.place), LocalFileSystem())["digest"] not in own:
            msg = (
                f"The model '{self.place}' was not made in the run folder '{self.folder.path}', so that it cannot be "
                f"changed there: put its own run folder beside it, or train again by `reb train`."
            )
            raise InputError(msg)

    def catalog(self) -> Any:
        """Open the catalog of the run folder, with the newest versions."""
        return self._session({}).load_context().catalog

    def load(self, name: str) -> Any:
        """Load a dataset of the category in its newest version."""
        return self.catalog()[self._name(name)].load()

    def _run_one(self, pipeline: str, parameters: Mapping[str, Any]) -> None:
        log = self.folder.log.open("a", encoding="utf-8")
        with log, redirect_stdout(log), short_lived_bars():
            self._session(parameters).run(pipeline_names=[pipeline], namespaces=[self.category])

    def _session(self, parameters: Mapping[str, Any]) -> Any:
        from kedro.framework.project import settings

        return settings.SESSION_CLASS.create(self.folder.path, runtime_params=dict(parameters))

    def _name(self, dataset: str) -> str:
        return f"{self.category}.{dataset}"


def _categories(folder: RunFolder) -> Sequence[str]:
    names: list[str] = read_yaml(folder.configuration / "local/globals.yml").get("categories", [])
    return names
