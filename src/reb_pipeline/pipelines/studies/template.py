"""Template of a study: results of each category, one table of all categories, one figure."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, TOLERATES_MISSING_DATA, per_category
from reb_pipeline.pipelines.studies.nodes import gather_table, measure_configurations


def study_pipeline(
    name: str,
    draw: Callable[..., Any],
    measure: Callable[..., Any] = measure_configurations,
) -> Pipeline:
    """Create the pipeline: raw_images -> study_<name>_results per category -> study_<name>_table, study_<name>_figure.

    Args:
        name: Name of the study in the parameters ``studies``.
        draw: Function that draws the table as a figure.
        measure: Function of the node that measures the configurations on one category.
    """
    params = f"params:studies.{name}"
    results, table = f"study_{name}_results", f"study_{name}_table"
    node = Node(
        measure,
        ["raw_images", "study_cache", ALL_PARAMETERS, params],
        results,
        name=f"measure_{name}",
        tags=TOLERATES_MISSING_DATA,
    )
    comparison = [
        Node(
            gather_table,
            ["params:studies.benchmark", params, *of_categories(results)],
            table,
            name=f"gather_{name}",
        ),
        Node(draw, table, f"study_{name}_figure", name=f"draw_{name}"),
    ]
    measured = per_category("studies", Pipeline([node]), outputs=[results])
    return Pipeline([measured, Pipeline(comparison)])


def of_categories(name: str) -> list[str]:
    """List the names of an output of all categories, see :func:`reb_pipeline.pipelines.namespaces.per_category`."""
    return [f"{name}_{category}" for category in categories()]
