"""Hooks of a run: checks before it, a manifest and a summary after it."""

import hashlib
import logging
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DatasetError, MemoryDataset

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import check_writable
from reb_pipeline.core.temporary import remove_leftovers
from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, COMPUTE, TOLERATES_MISSING_DATA
from reb_pipeline.project.folder_lock import FolderLock
from reb_pipeline.project.interrupted_update import BEFORE, pin_state_before
from reb_pipeline.project.provenance import (
    Manifests,
    changes,
    content_of,
    is_parameter,
    nodes_to_run,
    parameters_read,
)
from reb_pipeline.project.runners.versions import make_replaceable, pin_versions

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from reb_pipeline.calibration.record import Calibration
    from reb_pipeline.images.collection import Sample

logger = logging.getLogger(__name__)

MANIFEST = "run_manifest"
RUN_ID = "KEDRO_RUN_ID"  # environment variable; sessions with the same value are parts of one run
# Endings of the names of raw images, their audit and calibrations, after the category.
RAW_IMAGES, AUDIT, CALIBRATION = ".raw_images", ".audit", ".calibration"
# Section of the parameters -> (function that returns its folder of images, relation of these images to a category).
FOLDERS: dict[str, tuple[Callable[[Any, str], str | None], str]] = {
    "calibration": (lambda params, _: params.folder, "good parts of"),
    "bank_update": (lambda params, _: params.add, "added to"),
    "inspection": (lambda params, category: params.folder(category), "inspected as"),
}
# Kinds of output that are printed at the end of a run, named in the metadata of the catalog.
PATH, METRICS, STUDY, RUNS = "path", "metrics", "study", "runs"


class PreflightHooks:
    """Checks of a run before it starts; a run that cannot work is refused in one sentence."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Check the chosen versions, the inputs that no node of this run makes, and the backbones.

        Raises:
            InputError: If an input or its version is missing or a backbone cannot be used. Studies need only one
                category.
        """
        _check_versions(run_params.get("load_versions") or {}, catalog)
        self._check_folders(pipeline, catalog)
        missing: dict[str, InputError] = {}
        inputs = sorted(filter(lambda n: not is_parameter(n), pipeline.inputs()))
        for name in inputs:
            dataset = catalog[name]
            if hasattr(dataset, "check"):  # raw images describe the problem with their folder
                try:
                    dataset.check()
                except InputError as error:
                    if not _is_tolerated(name, pipeline):
                        raise
                    missing[name] = error
            elif not dataset.exists():
                path = getattr(dataset, "_filepath", None)
                where = f", in '{path}'" if path else ""
                msg = f"Dataset {name!r} is not there yet{where}: {_remedy(name)}."
                raise InputError(msg)
        if missing and len(missing) == sum(name.endswith(RAW_IMAGES) for name in inputs):
            raise next(iter(missing.values()))
        self._check_outputs(pipeline, catalog)

        @cache  # listing a large or distant folder takes time
        def list_samples(name: str) -> "list[Sample]":
            return catalog[name].load().samples

        there = [name for name in inputs if name not in missing]
        self._check_test_images(pipeline, there, list_samples)
        self._stand_in(missing, catalog)
        self._check_device(pipeline, catalog)
        self._check_backbones(pipeline, catalog)
        self._check_sources(pipeline, catalog)
        self._check_packaging(pipeline)
        self._say_shares(pipeline, catalog, list_samples)

    @staticmethod
    def _check_outputs(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Check that the outputs can be written.

        Raises:
            StorageError: If a folder of theirs is read-only.
        """
        for name in sorted(pipeline.all_outputs()):
            dataset = catalog[name]
            if getattr(dataset, "_protocol", None) in ("file", "local"):
                check_writable(str(dataset._filepath))

    @staticmethod
    def _say_shares(
        pipeline: "Pipeline",
        catalog: "CatalogProtocol",
        list_samples: "Callable[[str], list[Sample]]",
    ) -> None:
        """Say of each category how its good images are shared out, and whether they can keep the false-alarm rate."""
        from reb_pipeline.calibration.photos import Shares
        from reb_pipeline.images.folder import list_images
        from reb_pipeline.parameters.sections import CalibrationParams

        for category in categories():
            if f"{category}.inventory" not in pipeline.all_outputs():
                continue  # the images were shared out by an earlier run
            samples = list_samples(f"{category}{RAW_IMAGES}")
            good = Counter(sample.split for sample in samples if sample.label == 0)
            given = catalog[f"params:{category}.calibration"].load()
            params = CalibrationParams.model_validate(given)
            in_folder = len(list_images(params.folder)[1].images) if params.folder else 0
            shares = Shares(
                good["train"], good["calibration"], good["test"], params.folder, in_folder
            )
            can_flag = shares.can_flag(params.false_alarm_rate)
            log = logger.info if can_flag else logger.warning
            log("%s: %s", category, shares.statement(params.false_alarm_rate))

    @staticmethod
    def _check_test_images(
        pipeline: "Pipeline",
        names: Iterable[str],
        list_samples: "Callable[[str], list[Sample]]",
    ) -> None:
        """Check before the training that a category has test images where test images are scored.

        Raises:
            InputError: If it has none.
        """
        outputs = pipeline.all_outputs()
        for name in filter(lambda name: name.endswith(RAW_IMAGES), names):
            category = name.removesuffix(RAW_IMAGES)
            is_tested = any(
                output.endswith(f"metrics_{category}") or output == f"{category}.nearest_patches"
                for output in outputs
            )
            if is_tested and not any(one.split == "test" for one in list_samples(name)):
                msg = (
                    f"Category {category!r} has no test images, so that evaluation would have nothing to score: add "
                    f"some (good ones give scores, maps and false alarms, defective ones metrics too), or only train, "
                    f"by `kedro run --to-nodes={category}.calibration.calibrate`."
                )
                raise InputError(msg)

    @staticmethod
    def _stand_in(missing: dict[str, InputError], catalog: "CatalogProtocol") -> None:
        """Replace missing categories, so that studies continue without them."""
        from reb_pipeline.images.collection import UnavailableImages

        for name, reason in missing.items():
            category = name.removesuffix(RAW_IMAGES)
            logger.warning("%s is not available: %s", category, reason)
            catalog[name] = MemoryDataset(UnavailableImages(category, str(reason)))

    @staticmethod
    def _check_folders(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Check that each folder of images in the parameters belongs to one category."""
        for section, (folder_of, purpose) in FOLDERS.items():
            belongs_to: dict[str, str] = {}
            for name in sorted(_parameters_of(section, pipeline)):
                category = name.removeprefix("params:").removesuffix(f".{section}")
                folder = folder_of(catalog[name].load(), category)
                if folder is None:
                    continue
                other = belongs_to.setdefault(folder, category)
                if other != category:
                    msg = (
                        f"The images in '{folder}' would be {purpose} {other} and {category}: add "
                        f"--namespaces={other}, or give each category its own folder under {section}.per_category."
                    )
                    raise InputError(msg)

    @staticmethod
    def _check_packaging(pipeline: "Pipeline") -> None:
        """Check that the packages for the export of the network are installed, before the training."""
        if any(name.endswith(".packaged_model") for name in pipeline.all_outputs()):
            from reb_pipeline.features.onnx_export import check_packages

            check_packages()

    @staticmethod
    def _check_device(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        if {COMPUTE, ALL_PARAMETERS} & pipeline.inputs():
            from reb_pipeline.parameters.sections import ComputeParams

            # A plain dictionary if no node of the run reads it.
            compute = ComputeParams.model_validate(catalog[COMPUTE].load())
            # Other devices cannot fail, and PyTorch is slow to import.
            if compute.device.startswith("cuda"):
                compute.processor()

    @staticmethod
    def _check_sources(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Open the sources of saliency and textures, and list the folders of good images."""
        for name in _read_for_categories("defect_synthesis", pipeline):
            from reb_pipeline.defectmaker.saliency import saliency_estimator
            from reb_pipeline.defectmaker.settings import DefectSynthesisSettings

            params = DefectSynthesisSettings.model_validate(catalog[name].load())
            saliency_estimator(params.saliency, params.saliency_source)
            params.textures()
        for name in _parameters_of("calibration", pipeline):
            folder = catalog[name].load().folder
            if folder is not None:
                from reb_pipeline.images.folder import list_images

                filesystem, found = list_images(folder)
                category = name.removeprefix("params:").removesuffix(".calibration")
                if f"{category}.memory_bank" in pipeline.all_outputs():  # hours of work come first
                    _check_readable(filesystem, found.images, folder)

    @staticmethod
    def _check_backbones(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        used = [
            catalog[name].load()
            for node in pipeline.nodes
            if any(output.endswith((".backbone", ".feature_decoder")) for output in node.outputs)
            for name in node.inputs
            if is_parameter(name) and name.endswith(".features")
        ]
        if used:
            import torch

            from reb_pipeline.features.extractor import PatchExtractor

            threads = torch.get_num_threads()
            # A thread pool created here would block the processes that ParallelRunner forks.
            torch.set_num_threads(1)
            try:
                for settings in set(used):
                    PatchExtractor(settings)
            finally:
                torch.set_num_threads(threads)


def _check_versions(chosen: Mapping[str, str], catalog: "CatalogProtocol") -> None:
    """Check that the versions given by ``--load-versions`` are stored.

    Raises:
        InputError: If one is not, or its dataset has no versions.
    """
    for name, version in chosen.items():
        dataset: Any = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset) or not dataset._version:
            msg = f"Dataset {name!r} has no versions: leave it out of --load-versions."
            raise InputError(msg)
        if dataset._exists_function(str(dataset._get_versioned_path(version))):
            continue
        try:
            there = dataset.list_versions(full_path=False)
        except DatasetError:
            there = []
        known = f"there are {', '.join(sorted(there))}" if there else "none is stored yet"
        msg = f"Version {version!r} of dataset {name!r} is not stored: {known}."
        raise InputError(msg)


def _check_readable(filesystem: Any, paths: Iterable[str], folder: str) -> None:
    """Decode every image of a calibration folder; their range of values is known only after the training.

    Raises:
        InputError: If one cannot be read.
    """
    from reb_pipeline.images.decoding import decode_image
    from reb_pipeline.images.folder import read_file

    for path in paths:
        name = f"'{path}' in calibration.folder = '{folder}'"
        try:
            data = read_file(filesystem, path)
        except OSError as error:
            msg = f"Image {name} cannot be read ({error}): replace the file, or take it out of the data."
            raise InputError(msg) from error
        decode_image(data, name)


def _remedy(name: str) -> str:
    """Name the command that makes a dataset."""
    from kedro.framework.project import pipelines  # reads the settings of the project

    for pipeline in pipelines.values():
        for node in pipeline.nodes:
            if name in node.outputs:
                return f"run its node first, `kedro run --nodes {node.name}`, or the pipeline that it is in"
    return "run the pipeline that makes it first, or plain `kedro run`"


def _parameters_of(section: str, pipeline: "Pipeline") -> set[str]:
    """List the names of the parameters of a section, one per category that a node reads."""
    return {
        name for name in pipeline.inputs() if is_parameter(name) and name.endswith(f".{section}")
    }


def _read_for_categories(section: str, pipeline: "Pipeline") -> set[str]:
    """List the names of the parameters of a section, by category, that nodes read alone or with all others."""
    with_others = {node.namespace for node in pipeline.nodes if ALL_PARAMETERS in node.inputs}
    return _parameters_of(section, pipeline) | {
        f"params:{namespace.split('.')[0]}.{section}" for namespace in with_others if namespace
    }


def _is_tolerated(name: str, pipeline: "Pipeline") -> bool:
    """Check that all nodes that read a dataset can run without it."""
    return all(
        TOLERATES_MISSING_DATA in node.tags for node in pipeline.nodes if name in node.inputs
    )


class ManifestHooks:
    """Hooks that save the dataset ``run_manifest``: the data needed to trace and reproduce the results of a run."""

    def __init__(self) -> None:
        self._manifest: dict[str, Any] = {}
        self._parameters: dict[str, Any] = {}
        self._root = ""
        self._lock = FolderLock("")

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Store the resolved parameters and the folder that the run writes to."""
        loader = context.config_loader
        self._parameters = loader["parameters"]
        given = loader.runtime_params or {}
        root = str(given.get("output_root", loader["globals"]["output_root"]))
        is_url = "://" in root
        self._root = root if is_url else str(Path(context.project_path, root))
        self._lock = FolderLock(self._root)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Lock the folder, pin the versions of all data, compare them with the parameters, and save the manifest.

        So a run that is killed leaves the parameters that its results were made with.

        Raises:
            InputError: If another run has the lock, or outputs that would be kept do not fit the parameters.
        """
        belongs_to = {(node.namespace or "").split(".")[0] for node in pipeline.nodes}
        self._lock.take(belongs_to, shared=bool(os.environ.get(RUN_ID)))
        self._lock.remove_remains(categories())
        remove_leftovers()
        try:
            self._begin(run_params, pipeline, catalog)
        except BaseException:
            self._lock.release()
            raise

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the lock."""
        self._lock.release()

    @hook_impl
    def after_pipeline_run(self, pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Save the manifest again, with the versions of the outputs, and release the lock."""
        outputs = {name: _version(catalog[name]) for name in sorted(pipeline.all_outputs())}
        make_replaceable(catalog[MANIFEST])
        contents = {**self._manifest["contents"], **_contents(outputs, catalog)}
        last = {"finished": True, "outputs": outputs, "contents": contents}
        self._save({**self._manifest, **last}, catalog)
        self._lock.release()

    def _save(self, manifest: dict[str, Any], catalog: "CatalogProtocol") -> None:
        dataset = catalog[MANIFEST]
        with self._lock.alone_at(str(dataset._filepath)):
            dataset.save(manifest)

    def _begin(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        manifests = Manifests(catalog[MANIFEST])
        for name in pipeline.inputs():
            if name.endswith(BEFORE):
                pin_state_before(catalog, name.removesuffix(BEFORE), manifests)
        only_missing = bool(run_params.get("only_missing_outputs"))
        to_run = nodes_to_run(pipeline, catalog, only_missing=only_missing)
        pin_versions(to_run.all_outputs(), sorted(pipeline.datasets()), catalog)
        inputs = {
            name: _source(catalog[name], _version(catalog[name]))
            for name in sorted(pipeline.inputs() | to_run.inputs())
            if not is_parameter(name)
        }
        versions = {name: version for name, version in inputs.items() if isinstance(version, str)}
        contents = _contents(versions, catalog)
        self._check_kept(pipeline, to_run, inputs, manifests, catalog)
        for fault in manifests.other_origins(versions, contents):
            logger.warning("%s: make it again if that was not meant.", fault)
        chosen = (
            "env", "pipeline_names", "namespaces", "tags", "from_nodes", "to_nodes", "node_names"
        )  # fmt: skip
        self._manifest = {
            "run_id": run_params["run_id"],
            "finished": False,
            "run": {name: run_params[name] for name in chosen if run_params.get(name)},
            "nodes": [node.name for node in to_run.nodes],
            "steps": {
                node.name: {"inputs": node.inputs, "outputs": node.outputs} for node in to_run.nodes
            },
            "inputs": inputs,
            "files": _files(pipeline, catalog, self._root),
            "contents": contents,
            "parameters": parameters_read(to_run, self._parameters),
            "weights": _weights_files(to_run, self._parameters),
            "commit": _commit(),
            "python": sys.version.split()[0],
            "packages": _packages(),
        }
        self._save(self._manifest, catalog)

    def _check_kept(
        self,
        pipeline: "Pipeline",
        to_run: "Pipeline",
        inputs: dict[str, Any],
        manifests: Manifests,
        catalog: "CatalogProtocol",
    ) -> None:
        """Compare what earlier runs made, and this one keeps or reads, with the parameters of this run.

        What is read and was made otherwise gets a warning, as a later step may be run with other values on purpose.

        Raises:
            InputError: If outputs that would be kept were made otherwise.
        """
        sources = {name: inputs[name] for name in inputs if name.endswith(RAW_IMAGES)}
        ran = {node.name for node in to_run.nodes}
        for node in pipeline.nodes:
            for output in node.outputs if node.name not in ran else ():
                version = _version(catalog[output])
                then = manifests.of(version, node.name) if version else None
                found = list(changes(node.inputs, then, self._parameters, sources)) if then else []
                if found:
                    msg = (
                        f"--only-missing-outputs would keep {output} of run {version}, which was made with "
                        f"{'; '.join(found)}: run the category without --only-missing-outputs, or from there on by "
                        f"--from-nodes={node.name}, or set it back."
                    )
                    raise InputError(msg)
        for name, version in inputs.items():
            for change in manifests.made_otherwise(name, version, self._parameters, sources):
                logger.warning("%s of run %s was made with %s.", name, version, change)


class SummaryHooks:
    """Prints tables and paths at the end of a run.

    The metadata of an output in the catalog, ``reb: {end_of_run: <kind>}``, select it: ``path`` prints its path,
    ``metrics`` a table of the metrics of all categories, ``study`` the table of a study and its path, ``runs`` the
    comparison of stored runs and its path. Before the paths stand the findings of each audit that the run made.
    The last lines say of each calibration that the run made or read whether a threshold keeps the rate.
    """

    @hook_impl
    def after_pipeline_run(self, pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Print the outputs of this run."""
        kinds = {name: _end_of_run(catalog[name]) for name in sorted(pipeline.all_outputs())}
        measured = [name for name, kind in kinds.items() if kind == METRICS]
        if measured:
            self._print_metrics(measured, catalog)
        for name, kind in kinds.items():
            if kind == STUDY:
                from reb_pipeline.studies.views import render_study

                sys.stdout.write(f"\n{name}\n{render_study(catalog[name].load())}\n\n")
            elif kind == RUNS:
                from reb_pipeline.tracking.comparison import render_runs

                sys.stdout.write(f"\n{render_runs(catalog[name].load())}\n\n")
        for name in kinds:
            if name.endswith(AUDIT):
                self._print_findings(name, catalog)
        for name, kind in kinds.items():
            if kind in (PATH, STUDY, RUNS):
                sys.stdout.write(f"{name}: {catalog[name]._get_load_path()}\n")
        for name in sorted(pipeline.datasets()):
            if name.endswith(CALIBRATION) and not is_parameter(name):
                category = name.removesuffix(CALIBRATION)
                sys.stdout.write(f"{category}: {_about_rate(catalog[name].load())}\n")

    @staticmethod
    def _print_findings(name: str, catalog: "CatalogProtocol") -> None:
        """Print what is odd about the images of a category, and the path of the audit; nothing without a finding."""
        from reb_pipeline.images.inventory import findings

        found = findings(catalog[name].load())
        for sentence in found:
            sys.stdout.write(f"{name.removesuffix(AUDIT)}: {sentence}\n")
        if found:
            sys.stdout.write(f"{name}: {catalog[name]._get_load_path()}\n")

    @staticmethod
    def _print_metrics(names: list[str], catalog: "CatalogProtocol") -> None:
        """Print one table for each detector, titled by the name of the dataset without the category."""
        from reb_pipeline.metrics.report import about_copies
        from reb_pipeline.metrics.summary import render_table, summary_table
        from reb_pipeline.parameters.sections import SummaryParams

        # A plain dictionary if no node of the run reads it.
        params = SummaryParams.model_validate(catalog["params:summary"].load())
        tables = defaultdict(list)
        left_out: dict[str, str] = {}
        for name in names:
            report = catalog[name].load()
            tables[name.removesuffix(f"_{report['category']}")].append(report)
            if copies := about_copies(report):
                left_out[report["category"]] = copies
        # The table of the memory bank is printed first.
        for title in sorted(tables, key=lambda title: (title != "metrics", title)):
            table = render_table(summary_table(tables[title], params.textures))
            sys.stdout.write(f"\n{title.replace('_', ' ')}\n{table}\n\n")
        for category, copies in left_out.items():
            sys.stdout.write(f"{category}: {copies}.\n")


def _about_rate(calibration: "Calibration") -> str:
    """Say whether a threshold keeps the false-alarm rate, with what is known of it or why there is none."""
    what = "a threshold is set" if calibration.can_flag else "NO threshold can be set"
    rate = f"{100 * calibration.false_alarm_rate:.3g} %"
    return f"{what} for a false-alarm rate of {rate}. {calibration.statement()}"


def _end_of_run(dataset: Any) -> str | None:
    """Get the kind of output from the metadata of a dataset; None if it is not printed."""
    metadata = getattr(dataset, "metadata", None)
    if not isinstance(
        metadata, dict
    ):  # not the metadata of the catalog, such as those of a Delta table
        return None
    kind: str | None = metadata.get("reb", {}).get("end_of_run")
    return kind


def _version(dataset: Any) -> str | None:
    """Get the version that a dataset loads; None for a dataset without versions."""
    is_versioned = isinstance(dataset, AbstractVersionedDataset)
    return dataset.resolve_load_version() if is_versioned else None


def _files(pipeline: "Pipeline", catalog: "CatalogProtocol", root: str) -> dict[str, str]:
    """Find the path of each versioned dataset below the folder that the run writes to, by its name."""
    found = {}
    for name in sorted(pipeline.datasets()):
        dataset: Any = catalog.get(name)  # None for what is in memory only
        if isinstance(dataset, AbstractVersionedDataset):
            path = Path(dataset._filepath)
            if path.is_relative_to(root):
                found[name] = path.relative_to(root).as_posix()
    return found


def _contents(versions: Mapping[str, str | None], catalog: "CatalogProtocol") -> dict[str, str]:
    """Hash the local files of versioned datasets."""
    found = {
        name: content_of(catalog[name], version) for name, version in versions.items() if version
    }
    return {name: content for name, content in found.items() if content}


def _source(dataset: Any, version: str | None) -> Any:
    """Get the version of a dataset, or the description of a dataset without versions."""
    return version or {key: str(value) for key, value in dataset._describe().items()}


def _weights_files(pipeline: "Pipeline", parameters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Compute the SHA-256 of every file of weights: those given, and those of backbones that nodes begin with.

    The checks before the run have downloaded what was missing.
    """
    files: set[Path | None] = set()
    for category in categories():
        features = parameters[category]["features"]
        if features["weights"] != "imagenet":
            files.add(Path(features["weights"]))
        elif f"{category}.backbone" in pipeline.all_outputs():
            from reb_pipeline.features.backbones import (
                imagenet_file,  # torch takes seconds to import
            )

            files.add(imagenet_file(features["backbone"]))
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(filter(None, files))
        if file.is_file()
    }


def _packages() -> dict[str, str]:
    """List the versions of the installed packages; those whose metadata are damaged are left out."""
    found = {}
    for package in distributions():
        with suppress(Exception):  # of any kind, by the damage
            found[package.metadata["Name"]] = package.version
    return dict(sorted((name, number) for name, number in found.items() if name and number))


def _commit() -> str | None:
    """Get the git commit of the project, marked if files differ from it; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
