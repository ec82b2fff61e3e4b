"""Hooks that track every run with MLflow; imported only where the extra ``mlflow`` is installed."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DatasetError
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from reb_pipeline.project.hooks import MANIFEST

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

_URI = "MLFLOW_TRACKING_URI"  # environment variable of MLflow
_SQLITE = "sqlite:///"
_REPORTING = "08_reporting"
_PACKAGED = ".packaged_model"  # end of the names of packaged models, after the category
_REGISTERED = "reb_pipeline-{category}"  # name of a category's model in the registry
_STORED = ("stored_reports", "stored_samples", "stored_scores")


class TrackingHooks(MlflowHook):  # type: ignore[misc,unused-ignore]
    """Hooks of kedro-mlflow, logging the facts of the manifests instead of the inputs of nodes.

    These would be whole sections as text, and only of the nodes that ran. The pipeline ``compare`` shows the same
    facts, from the same function.
    """

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Set up MLflow as ``mlflow.yml`` says; a relative path of a database begins at the project."""
        loader: Any = context.config_loader
        loader.config_patterns.setdefault("mlflow", ["mlflow*", "mlflow*/**", "**/mlflow*"])
        config = loader["mlflow"]
        server, tracking = dict(config.get("server") or {}), dict(config.get("tracking") or {})
        uri = os.environ.get(_URI) or server.get("mlflow_tracking_uri")
        if uri and uri.startswith(_SQLITE):
            database = Path(context.project_path, uri.removeprefix(_SQLITE))
            uri = f"{_SQLITE}{database}"
            experiment = dict(tracking.get("experiment") or {})
            # MLflow would take the working directory.
            place = {"artifact_location": str(database.with_name("mlartifacts"))}
            given = experiment.get("create_experiment_kwargs") or {}
            experiment["create_experiment_kwargs"] = {**place, **given}
            tracking["experiment"] = experiment
        server["mlflow_tracking_uri"] = uri
        loader["mlflow"] = {**config, "server": server, "tracking": tracking}
        super().after_context_created(context)

    @hook_impl
    def before_node_run(self) -> None:
        """Log no inputs of nodes."""

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Log facts, metrics, manifest, reports, figures and packaged models; then end the run of MLflow."""
        if self._is_mlflow_enabled:
            outputs = sorted(pipeline.all_outputs())
            self._log_facts(run_params["run_id"], catalog)
            self._log_reports([*outputs, MANIFEST], catalog)
            for name in outputs:
                if name.endswith(_PACKAGED):
                    self._register(name.removesuffix(_PACKAGED), catalog[name])
        super().after_pipeline_run(run_params, pipeline, catalog)

    def _log_facts(self, run_id: str, catalog: "CatalogProtocol") -> None:
        from reb_pipeline.pipelines.compare.stored import stored_by_runs
        from reb_pipeline.tracking.comparison import results_of
        from reb_pipeline.tracking.flat import flat_facts

        flat = flat_facts(
            results_of(stored_by_runs(*(_partitions(catalog[n]) for n in _STORED)), run_id)
        )
        parameters = {
            self.sanitize_param_name(name): text for name, text in flat.parameters.items()
        }
        for batch in _batches(parameters):
            mlflow.log_params(batch)
        for batch in _batches(flat.tags):
            mlflow.set_tags(batch)
        mlflow.log_metrics(
            {self.sanitize_param_name(n): value for n, value in flat.metrics.items()}
        )

    @staticmethod
    def _log_reports(names: list[str], catalog: "CatalogProtocol") -> None:
        """Copy the files of the reporting layer into the run, below the names of their categories."""
        for name in names:
            if not isinstance(catalog.get(name), AbstractVersionedDataset):
                continue
            dataset: Any = catalog[name]
            path = Path(dataset._filepath)
            if _REPORTING in path.parts:
                *_, folder = path.parts[path.parts.index(_REPORTING) : -1]
                with TemporaryDirectory() as temporary:
                    copy = Path(temporary, path.name)
                    dataset._fs.get(str(dataset._get_load_path()), str(copy))
                    mlflow.log_artifact(str(copy), None if folder == _REPORTING else folder)

    @staticmethod
    def _register(category: str, dataset: Any) -> None:
        """Copy a packaged model into the run, and make it the newest version of the category's registered model."""
        name, place = _REGISTERED.format(category=category), f"{category}/model"
        with TemporaryDirectory() as temporary:
            dataset._fs.get(str(dataset._get_load_path()), temporary, recursive=True)
            (folder,) = Path(temporary).iterdir()
            mlflow.log_artifacts(str(folder), place)
        client = mlflow.MlflowClient()
        with suppress(mlflow.exceptions.MlflowException):  # it is there
            client.create_registered_model(name)
        run = mlflow.active_run()
        client.create_model_version(
            name,
            mlflow.get_artifact_uri(place),
            run_id=run.info.run_id if run else None,
            tags={"version": dataset.resolve_load_version()},
        )


def _partitions(dataset: Any) -> dict[str, Any]:
    """Load all partitions of a dataset; none where nothing was stored yet."""
    dataset.release()  # what was listed before the run
    try:
        found: dict[str, Any] = dataset.load()
    except DatasetError:
        return {}
    return found


def _batches(values: dict[str, str]) -> list[dict[str, str]]:
    """Split values into as many as a server of MLflow takes at once."""
    items = list(values.items())
    return [dict(items[start : start + 100]) for start in range(0, len(items), 100)]
