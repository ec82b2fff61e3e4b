"""Study: the choice without labels, compared with the paper's default and the oracle."""

from collections.abc import MutableMapping
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection, UnavailableImages
from reb_pipeline.parameters.studies import SelectionParams
from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, TOLERATES_MISSING_DATA, per_category
from reb_pipeline.pipelines.studies.template import of_categories

RESULTS, TABLE, FIGURE = (
    "study_selection_results",
    "study_selection_table",
    "study_selection_figure",
)
PARAMS = "params:selection"


def selection_pipeline() -> Pipeline:
    """Create the pipeline: raw_images -> study_selection_results per category -> study_selection_table, _figure."""
    measure = Node(
        measure_choices,
        ["raw_images", "study_cache", ALL_PARAMETERS, PARAMS],
        RESULTS,
        name="measure_choices",
        tags=TOLERATES_MISSING_DATA,
    )
    comparison = [
        Node(gather_choices, of_categories(RESULTS), TABLE, name="gather_choices"),
        Node(draw_choices, TABLE, FIGURE, name="draw_choices"),
    ]
    measured = per_category("studies", Pipeline([measure]), outputs=[RESULTS])
    return Pipeline([measured, Pipeline(comparison)])


def measure_choices(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    selection: SelectionParams,
) -> pd.DataFrame:
    """Measure the default, the choice and the oracle on the test images of one category."""
    from reb_pipeline.studies.choices import compare_choices
    from reb_pipeline.studies.experiment import Experiment
    from reb_pipeline.studies.regret import unavailable_choices
    from reb_pipeline.studies.sections import StudySections

    category = raw_images.category
    if isinstance(raw_images, UnavailableImages):
        return unavailable_choices(category, f"not available: {raw_images.reason}")
    sections = StudySections.of(parameters, category)
    try:
        experiment = Experiment(raw_images, sections, study_cache, selection.max_neighbors)
    except InputError as error:  # a failed category must not stop the others
        return unavailable_choices(category, f"error: {error}")
    return compare_choices(experiment, selection)


def gather_choices(*rows: pd.DataFrame) -> pd.DataFrame:
    """Gather the results of all categories in one table, with means."""
    from reb_pipeline.studies.regret import with_mean_choices

    return with_mean_choices(pd.concat(rows, ignore_index=True))


def draw_choices(table: pd.DataFrame) -> Any:
    """Draw dots of default, choice and oracle by category."""
    from reb_pipeline.figures.studies import dots_figure
    from reb_pipeline.studies.views import grouped

    return dots_figure(
        grouped(table.dropna(subset="image_auroc"), "category", "choice"),
        "image_auroc", "row", "choice", "Choosing without labels",
        low="image_auroc_low", high="image_auroc_high",
    )  # fmt: skip
