"""The project's Kedro session."""

from pkgutil import iter_modules
from typing import Any

from kedro.framework.session import KedroSession

from reb_pipeline import pipelines
from reb_pipeline.config_loader import categories
from reb_pipeline.errors import insist_known


class ProjectSession(KedroSession):
    """Kedro's session, which says in one sentence what pipelines and categories there are."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run as Kedro does.

        Raises:
            InputError: If a pipeline is not there, or a namespace is no category of the environment.
        """
        packages = [module.name for module in iter_modules(pipelines.__path__) if module.ispkg]
        insist_known(kwargs.get("pipeline_names") or [], ["__default__", *packages], "Pipeline")
        self._get_config_loader()  # makes the environment's list of categories the one in use
        namespaces = [name.split(".")[0] for name in kwargs.get("namespaces") or []]
        insist_known(namespaces, categories(), "Category")
        return super().run(*args, **kwargs)
