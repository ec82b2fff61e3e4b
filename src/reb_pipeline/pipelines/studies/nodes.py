"""Nodes shared by all studies."""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection, UnavailableImages
from reb_pipeline.parameters.studies import StudyParams

if TYPE_CHECKING:
    from reb_pipeline.studies.experiment import Experiment
    from reb_pipeline.studies.light import LightEvaluator
    from reb_pipeline.studies.measure import Evaluator


def measure_configurations(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    study: StudyParams,
) -> pd.DataFrame:
    """Measure all configurations of a study on one category; cached results are reused."""
    from reb_pipeline.studies.measure import Evaluator
    from reb_pipeline.studies.rows import study_rows

    return _measure(
        raw_images,
        study_cache,
        parameters,
        study,
        lambda experiment: Evaluator(experiment, pixel_metrics=study.pixel_metrics),
        partial(study_rows, reference=study.reference),
    )


def measure_light(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    study: StudyParams,
) -> pd.DataFrame:
    """Measure all configurations of a study on the test images of one category, changed in steps."""
    from reb_pipeline.studies.light import LightEvaluator, light_rows

    rate = parameters[raw_images.category]["calibration"]["false_alarm_rate"]
    return _measure(
        raw_images,
        study_cache,
        parameters,
        study,
        lambda experiment: LightEvaluator(experiment, rate),
        light_rows,
    )


def measure_composed(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    study: StudyParams,
) -> pd.DataFrame:
    """Measure all configurations of a study on images composed of the good photos of one category."""
    from reb_pipeline.studies.composed import composed_images

    if isinstance(raw_images, ImageCollection):
        raw_images = composed_images(raw_images, parameters)
    return measure_configurations(raw_images, study_cache, parameters, study)


def _measure(
    raw_images: ImageCollection | UnavailableImages,
    study_cache: MutableMapping[str, bytes],
    parameters: dict[str, Any],
    study: StudyParams,
    evaluator_of: "Callable[[Experiment], Evaluator | LightEvaluator]",
    rows_of: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    """Report on all configurations of a study on one category, and make the rows of the reports."""
    from reb_pipeline.core.progress import progress
    from reb_pipeline.studies.experiment import Experiment
    from reb_pipeline.studies.repeats import repeats
    from reb_pipeline.studies.sections import StudySections

    category = raw_images.category
    sections = StudySections.of(parameters, category)
    start = {**sections.defaults(), **parameters["studies"]["start"]}
    configurations = study.configurations(start)
    settings = [one.settings() for one in configurations]
    if isinstance(raw_images, UnavailableImages):
        return rows_of(category, settings, [f"not available: {raw_images.reason}"] * len(settings))
    try:
        experiment = Experiment(
            raw_images, sections, study_cache, study.max_neighbors, timed=study.speed
        )
    except InputError as error:  # a failed category must not stop the others
        return rows_of(category, settings, [f"error: {error}"] * len(settings))
    evaluator = evaluator_of(experiment)
    repeated = repeats(configurations)
    reports = [
        f"error: {repeated[one]}" if one in repeated else evaluator.report(one)
        for one in progress(configurations, f"{category}: configurations of the study")
    ]
    return rows_of(category, settings, reports)


def gather_table(benchmark: str, study: StudyParams, *rows: pd.DataFrame) -> pd.DataFrame:
    """Gather the results of all categories in one table, with means and the paper's numbers."""
    from reb_pipeline.studies.published import published
    from reb_pipeline.studies.rows import beside_published, with_means

    table = with_means(pd.concat(rows, ignore_index=True), study.reference)
    if not study.published_tables:
        return table
    numbers = [published(number) for number in study.published_tables]
    return beside_published(table, pd.concat(numbers, ignore_index=True), benchmark)
