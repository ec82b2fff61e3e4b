"""Tables and paths at the end of a run."""

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from reb_pipeline.project.provenance import is_parameter

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from reb_pipeline.calibration.record import Calibration

# Endings of the names of audits and calibrations, after the category.
AUDIT, CALIBRATION = ".audit", ".calibration"
# Kinds of output that are printed at the end of a run, named in the metadata of the catalog.
PATH, METRICS, STUDY, RUNS = "path", "metrics", "study", "runs"


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
        from reb_pipeline.metrics.at_threshold import doubtful_text, unlike_calibration
        from reb_pipeline.metrics.report import about_left_out
        from reb_pipeline.metrics.summary import render_table, summary_table
        from reb_pipeline.parameters.sections import SummaryParams

        # A plain dictionary if no node of the run reads it.
        params = SummaryParams.model_validate(catalog["params:summary"].load())
        tables = defaultdict(list)
        notes: list[str] = []
        for name in names:
            report = catalog[name].load()
            tables[name.removesuffix(f"_{report['category']}")].append(report)
            at_threshold = report.get("at_threshold")
            about = (
                *about_left_out(report),
                doubtful_text(at_threshold),
                unlike_calibration(at_threshold),
            )
            notes += [f"{report['category']}: {note}.\n" for note in about if note]
        # The table of the memory bank is printed first.
        for title in sorted(tables, key=lambda title: (title != "metrics", title)):
            table = render_table(summary_table(tables[title], params.textures))
            sys.stdout.write(f"\n{title.replace('_', ' ')}\n{table}\n\n")
        sys.stdout.writelines(dict.fromkeys(notes))  # the same of several detectors once


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
