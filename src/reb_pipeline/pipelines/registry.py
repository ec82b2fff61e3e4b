"""Every pipeline of the project by name: the packages beside this module, and each study."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from kedro.pipeline import Pipeline

from reb_pipeline import pipelines

DEFAULT, DEFAULT_PIPELINE = "__default__", "full"
STUDY = "studies_"  # before the name of a study


def pipeline_names() -> list[str]:
    """Names of all pipelines."""
    from reb_pipeline.pipelines.studies import STUDIES

    packages = [module.name for module in iter_modules(pipelines.__path__) if module.ispkg]
    return [DEFAULT, *packages, *(f"{STUDY}{name}" for name in STUDIES)]


class Registry(Mapping[str, Pipeline]):
    """All pipelines; each is imported and made when it is asked for, so that one of them is there at once."""

    def __init__(self) -> None:
        self._made: dict[str, Pipeline] = {}

    def __getitem__(self, name: str) -> Pipeline:
        if name not in self._made:
            self._made[name] = _create(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(pipeline_names())

    def __len__(self) -> int:
        return len(pipeline_names())


def _create(name: str) -> Pipeline:
    if name not in pipeline_names():
        raise KeyError(name)
    if name.startswith(STUDY):
        from reb_pipeline.pipelines.studies import STUDIES

        return STUDIES[name.removeprefix(STUDY)]()
    package = DEFAULT_PIPELINE if name == DEFAULT else name
    pipeline: Pipeline = import_module(f"{pipelines.__name__}.{package}").create_pipeline()
    return pipeline
