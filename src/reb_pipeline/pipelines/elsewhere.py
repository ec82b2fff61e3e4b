"""Pipelines of this project for other Kedro projects, which have another loader and catalog."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.parameters.loader import CATEGORY, given_categories
from reb_pipeline.pipelines.registry import Registry


def pipeline_for(name: str, categories: Iterable[str]) -> Pipeline:
    """Create a pipeline for given categories, without a configuration of this project.

    Args:
        name: Name of the pipeline, such as ``full`` or ``memory_bank``.
        categories: Names that datasets and parameters begin with, such as ``bolt`` for ``bolt.raw_images`` and
            ``params:bolt.features``. ``params:compute`` and ``params:summary`` are shared by all.

    Raises:
        InputError: If there is no such pipeline, or a category is no name.

    Example:
        >>> from kedro.pipeline import Pipeline
        >>> pipeline = pipeline_for("memory_bank", ["bolt"])
        >>> sorted(pipeline.outputs()), [node.name for node in Pipeline(pipeline, namespace="line").nodes][-1]
        (['bolt.suspects'], 'line.bolt.memory_bank.rank_suspects')
    """
    categories = list(categories)
    wrong = [each for each in categories if not CATEGORY.fullmatch(each)]
    if wrong or not categories:
        msg = f"Categories {categories!r} cannot be used: give at least one name of letters, digits, '_' and '-'."
        raise InputError(msg)
    with given_categories(categories):
        registry = Registry()
        check_known([name], list(registry), "Pipeline")
        return registry[name]
