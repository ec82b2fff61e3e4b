"""Run of the project from photos to packaged models, in a folder of its own."""

import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from fsspec.implementations.local import LocalFileSystem
from kedro.framework.hooks import hook_impl
from kedro.io import Version
from kedro.io.core import generate_timestamp

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import short_lived_bars
from reb_pipeline.core.storage import writing
from reb_pipeline.features.own_aspect import in_own_aspect
from reb_pipeline.inspection.manifest import MANIFEST, parts_of, read_manifest
from reb_pipeline.project.folder_lock import FolderLock
from reb_pipeline.project.hooks import RUN_ID
from reb_pipeline.project.named_detector import check_detector
from reb_pipeline.project.packaging_checks import check_packaging
from reb_pipeline.project.photos import Category
from reb_pipeline.project.provenance import nodes_to_run
from reb_pipeline.project.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from reb_pipeline.calibration.record import Calibration

PIPELINES = ["full", "packaging"]
PROBABILITY = "detection_probability"  # pipeline and section; run where it is enabled
# Step, the name of its pipeline -> its description.
STEPS = {
    "ingestion": "photos checked",
    "defect_synthesis": "synthetic defects drawn",
    "ssl_finetune": "network fine-tuned",
    "memory_bank": "good patches learnt",
    "ldknn_density": "their density measured",
    "calibration": "threshold calibrated",
    "evaluation": "test photos scored",
    PROBABILITY: "found sizes measured",
    "packaging": "model packaged",
}


@dataclass(frozen=True)
class Trained:
    """Results of a category.

    Attributes:
        name: Name of the category.
        calibration: Its calibration.
        metrics: Report of :func:`reb_pipeline.metrics.report.evaluate`, with ``at_threshold``.
        suspects: Photos of the bank, see :func:`reb_pipeline.memory_bank.suspects.rank_suspects`.
        suspects_list: Path of the CSV file with them.
        report: Path of the page with metrics and figures.
        model: Folder of the packaged model.
    """

    name: str
    calibration: "Calibration"
    metrics: dict[str, Any]
    suspects: "pd.DataFrame"
    suspects_list: Path
    report: Path
    model: Path


class Training:
    """Run of the pipelines ``full`` and ``packaging`` in a run folder, which an interruption does not undo.

    All attempts save under one version, that of the first one; so each has to run only the nodes that lack an output of
    this version.

    Args:
        folder: The run folder; its configuration is written when no other training has it.
        categories: The categories.
        given: Parameters in the place of those of the environment, nested by section.

    Raises:
        InputError: If a setting cannot be used, or another training has the folder.
    """

    def __init__(
        self, folder: RunFolder, categories: Sequence[Category], given: Mapping[str, Any]
    ) -> None:
        self._folder, self._categories = folder, categories
        self._lock = FolderLock(str(folder.path))
        is_new = not folder.is_there()
        try:
            if not is_new:  # else the lock would make the folder
                self._take_lock()
            folder.write(categories, given)
            if is_new:
                self._take_lock()
            self._prepare()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _prepare(self) -> None:
        """Open the project and find the nodes to run."""
        folder, categories = self._folder, self._categories
        begun = folder.run_id(categories)
        self.run_id = begun or generate_timestamp()
        configure(folder)
        from kedro.framework.project import settings

        with _part_of(self.run_id):
            self._session = settings.SESSION_CLASS.create(folder.path)
        context = self._session.load_context()
        self.parameters: dict[str, Any] = context.params
        for category in categories:
            sections = self.parameters[category.name]
            sections["features"] = in_own_aspect(sections["features"], category.images)
        names = [category.name for category in categories]
        self._measured = [name for name in names if self.parameters[name][PROBABILITY].enabled]
        self.pipeline = _pipeline(self._measured)
        self._catalog = context._get_catalog(save_version=self.run_id)
        check_detector(self.pipeline, self._catalog)  # before the machine is measured
        check_packaging(self.pipeline, self._catalog)
        for name in self.pipeline.all_outputs():
            dataset: Any = self._catalog.get(name)
            if getattr(dataset, "_version", None):
                dataset._version = Version(self.run_id, self.run_id)
        self.nodes = nodes_to_run(self.pipeline, self._catalog, only_missing=bool(begun)).nodes
        if not begun:
            folder.begin(self.run_id, categories)

    def _take_lock(self) -> None:
        try:
            self._lock.take([""], shared=False)
        except InputError as error:
            path = self._folder.path
            msg = f"Another training is running in '{path}': wait until it has ended, or give another --output."
            raise InputError(msg) from error

    @property
    def n_done(self) -> int:
        """Number of nodes that an earlier attempt has done."""
        return len(self.pipeline.nodes) - len(self.nodes)

    def run(self, say: Callable[[str], Any]) -> None:
        """Run what is left.

        Args:
            say: Shows a line after each step.
        """
        if not self.nodes:
            return
        categories = {category.name for category in self._categories}
        steps = Steps(
            self.nodes,
            say,
            categories if len(categories) > 1 else set(),
            self._not_tuned(categories),
        )
        self._session._hook_manager.register(steps)
        log = self._folder.log.open("a", encoding="utf-8")
        with _part_of(self.run_id), log, redirect_stdout(log), short_lived_bars():
            names = [*PIPELINES, *([PROBABILITY] if self._measured else [])]
            self._session.run(pipeline_names=names, node_names=[n.name for n in self.nodes])

    def _not_tuned(self, names: Iterable[str]) -> set[str]:
        """List the categories whose backbone stays as it is."""
        return {name for name in names if not self.parameters[name]["ssl_finetune"].enabled}

    def results(self) -> Iterator[Trained]:
        """Read the results of each category."""
        for category in self._categories:
            name = category.name
            report = f"{PROBABILITY}_report" if name in self._measured else "report"
            yield Trained(
                name,
                self._catalog[f"{name}.calibration"].load(),
                self._catalog[f"metrics_{name}"].load(),
                self._catalog[f"{name}.suspects"].load(),
                Path(self._catalog[f"{name}.suspects"]._get_load_path()),
                Path(self._catalog[f"{name}.{report}"]._get_load_path()),
                Path(self._catalog[f"{name}.packaged_model"]._get_load_path()),
            )


class Steps:
    """Hook that says each step of a run when its last node is done.

    Args:
        nodes: The nodes that will run.
        say: Shows a line.
        names: Categories to name in the line; empty where there is only one.
        not_tuned: Categories whose backbone is not fine-tuned.
    """

    def __init__(
        self,
        nodes: Iterable["Node"],
        say: Callable[[str], Any],
        names: Iterable[str],
        not_tuned: Iterable[str],
    ) -> None:
        self._left = Counter(map(_step, nodes))
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._say, self._names, self._not_tuned = say, set(names), set(not_tuned)
        self._began = 0.0

    @hook_impl
    def before_node_run(self) -> None:
        """Note the time."""
        self._began = perf_counter()

    @hook_impl
    def after_node_run(self, node: "Node") -> None:
        """Say the step if this was its last node."""
        step = _step(node)
        self._seconds[step] += perf_counter() - self._began
        self._left[step] -= 1
        category, name = step
        if not self._left[step] and name in STEPS:
            done = STEPS[name]
            if name == "ssl_finetune" and category in self._not_tuned:
                done = "network kept as it is"
            what = f"{category}: {done}" if category in self._names else done
            minutes, seconds = divmod(round(self._seconds[step]), 60)
            self._say(f"  {what:<26} {minutes}:{seconds:02}")


def publish(models: Sequence[Trained], output: Path) -> None:
    """Copy packaged models to the place that was asked for: one as the folder itself, several by name below it."""
    replace_models(output, {one.name if len(models) > 1 else "": one.model for one in models})


def replace_models(place: Path, models: Mapping[str, Path]) -> None:
    """Copy packaged models; what is there is replaced as a whole when all copies are.

    Args:
        place: Folder of the copies, or a link to it, which stays; :func:`check_output` checks it.
        models: Folder of each model, by its name below the place; an empty name for the place itself.

    Raises:
        StorageError: If the disk is full or cannot be written.
    """
    place = place.resolve()
    partial, former = (place.with_name(f".{place.name}.{end}") for end in ("partial", "former"))
    for remains in (partial, former):
        shutil.rmtree(remains, ignore_errors=True)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        for name, model in models.items():
            shutil.copytree(model, partial / name)
        if place.exists():
            place.rename(former)
        try:
            partial.rename(place)
        except OSError:  # on Windows, where another program has a file of the model open
            if former.exists():
                former.rename(place)
            raise
    shutil.rmtree(former, ignore_errors=True)


def check_output(output: Path, photos: str) -> None:
    """Check that a place for models is free, or holds nothing but models that a new training may replace.

    Args:
        output: The place.
        photos: Path or URL of the photos.

    Raises:
        InputError: If something else is there, it lies among the photos, or it cannot be made.
    """
    if ":/" in str(output):  # of "://" a Path keeps one slash
        msg = f"The output '{output}' is no local folder: give a path, and copy the model when it is made."
        raise InputError(msg)
    place = output.resolve()
    if "://" not in photos and place.is_relative_to(Path(photos).resolve()):
        msg = (
            f"The model '{output}' would lie among the photos of '{photos}', and its pictures would be taken for "
            f"photos: give --output another place."
        )
        raise InputError(msg)
    above = next(folder for folder in place.parents if folder.exists())
    if not above.is_dir():
        msg = f"'{output}' cannot be made, because '{above}' is a file: give another --output."
        raise InputError(msg)
    check_replaceable(output)


def check_replaceable(output: Path) -> None:
    """Check that a folder, if it is there, holds nothing but a model, or the models of one training.

    Raises:
        InputError: If something else is there, which a new model in its place would remove.
    """
    place = output.resolve()
    if not place.exists():
        return
    models = [place]
    if place.is_dir() and RunFolder.beside(output).is_there():
        models += place.iterdir()
    models = [model for model in models if (model / MANIFEST).is_file()]
    others = sorted(_beside(models, place)) if place.is_dir() else [place]
    if others and not models:
        msg = f"'{output}' is there and no model, so that it is not replaced: move it, or give another --output."
        raise InputError(msg)
    if others:
        msg = (
            f"'{output}' is not replaced, because '{others[0].relative_to(place)}' in it is no part of a model: move "
            f"that, or keep the new model in another place."
        )
        raise InputError(msg)


def _beside(models: Sequence[Path], place: Path) -> Iterator[Path]:
    """Yield what lies in a folder, or in the models in it, and is no part of a model; hidden files of models aside."""
    for folder in {place, *models}:
        files: set[str] = set()
        if folder in models:
            parts = parts_of(read_manifest(str(folder), LocalFileSystem()), str(folder))
            files = {Path(file).parts[0] for part in parts.values() for file in part.files}
            files |= {path.name for path in folder.glob(".*")} | {MANIFEST}
        yield from (
            path for path in folder.iterdir() if path.name not in files and path not in models
        )


def _step(node: "Node") -> tuple[str, str]:
    """Name the category and the pipeline of a node; both are empty for a node of all categories."""
    category, _, step = (node.namespace or "").partition(".")
    return category, step


def _pipeline(measured: Iterable[str]) -> "Pipeline":
    """Put together what a training runs; the categories are those whose probability of detection is measured."""
    from kedro.framework.project import pipelines
    from kedro.pipeline import Pipeline

    parts = [pipelines[PROBABILITY].filter(node_namespaces=[name]) for name in measured]
    return Pipeline([*(pipelines[name] for name in PIPELINES), *parts])


@contextmanager
def _part_of(run_id: str) -> Iterator[None]:
    """Let sessions be parts of a run, see :class:`reb_pipeline.project.session.ProjectSession`."""
    before = os.environ.get(RUN_ID)
    os.environ[RUN_ID] = run_id
    try:
        yield
    finally:
        if before is None:
            del os.environ[RUN_ID]
        else:
            os.environ[RUN_ID] = before


def configure(folder: RunFolder) -> None:
    """Configure Kedro, its log into a file; only warnings of the project are shown too."""
    from kedro.framework.project import configure_logging, configure_project, validate_settings

    configure_project("reb_pipeline")
    validate_settings()  # imports the settings, which configure the log too
    configure_logging(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "file": {"format": "%(asctime)s %(levelname)-7s %(message)s"},
                "console": {"format": "Note: %(message)s"},
            },
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(folder.log),
                    "formatter": "file",
                    "encoding": "utf-8",
                },
                "console": {
                    "class": "logging.StreamHandler",
                    "level": "WARNING",
                    "formatter": "console",
                },
            },
            "loggers": {
                "kedro": {"level": "INFO"},
                "reb_pipeline": {"level": "INFO", "handlers": ["console"]},
            },
            "root": {"handlers": ["file"], "level": "WARNING"},
        }
    )
    logging.captureWarnings(capture=True)
