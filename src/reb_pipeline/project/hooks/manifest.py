"""Manifest of a run: versions, parameters, files and code, saved before it and after it."""

import hashlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.temporary import remove_leftovers
from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import RAW_IMAGES
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

logger = logging.getLogger(__name__)

MANIFEST = "run_manifest"
RUN_ID = "KEDRO_RUN_ID"  # environment variable; sessions with the same value are parts of one run


class ManifestHooks(threading.local):
    """Hooks that save the dataset ``run_manifest``: the data needed to trace and reproduce the results of a run.

    What they know of a run is of its thread: those of ``kedro server start`` go on side by side.
    """

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
        self._lock.release()  # of an interrupted run
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
