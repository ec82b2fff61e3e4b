"""Registry of pipelines by name: the packages beside this module, each study, and each category."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from kedro.pipeline import Pipeline

from reb_pipeline import pipelines
from reb_pipeline.parameters.loader import categories

DEFAULT, DEFAULT_PIPELINE = "__default__", "full"
STUDY = "studies_"  # prefix of the pipelines of studies


def pipeline_names() -> list[str]:
    """List the names of all pipelines; the pipeline of a category is its part of the default pipeline."""
    from reb_pipeline.pipelines.studies import STUDIES

    names = [DEFAULT, *_packages(), *(f"{STUDY}{name}" for name in STUDIES)]
    return [*names, *(category for category in categories() if category not in names)]


def _packages() -> list[str]:
    return [module.name for module in iter_modules(pipelines.__path__) if module.ispkg]


class Registry(Mapping[str, Pipeline]):
    """All pipelines by name; each is imported and created on access, so that single pipelines start quickly.

    Kedro keeps the registry while sessions of other environments follow, so what was created is kept with its
    categories.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], Pipeline] = {}

    def __getitem__(self, name: str) -> Pipeline:
        key = (name, *categories())
        if key not in self._made:
            self._made[key] = self._create(name)
        return self._made[key]

    def _create(self, name: str) -> Pipeline:
        from reb_pipeline.pipelines.studies import STUDIES

        if name == DEFAULT:
            return self[DEFAULT_PIPELINE]
        if name in _packages():
            pipeline: Pipeline = import_module(f"{pipelines.__name__}.{name}").create_pipeline()
            return pipeline
        if name.startswith(STUDY) and name.removeprefix(STUDY) in STUDIES:
            return STUDIES[name.removeprefix(STUDY)]()
        if name in categories():
            return self[DEFAULT_PIPELINE].only_nodes_with_namespaces([name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(pipeline_names())

    def __len__(self) -> int:
        return len(pipeline_names())


REGISTRY = Registry()  # of this process: each session takes what those before it created
