"""The project's Kedro session."""

from typing import Any

from kedro.framework.session import KedroSession

from reb_pipeline.config_loader import categories
from reb_pipeline.errors import insist_known


class ProjectSession(KedroSession):
    """Kedro's session, which knows that namespaces are categories."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run as Kedro does.

        Raises:
            InputError: If a namespace is no category of the environment.
        """
        self.load_context()  # makes the environment's list of categories the one in use
        namespaces = [name.split(".")[0] for name in kwargs.get("namespaces") or []]
        insist_known(namespaces, categories(), "Category")
        return super().run(*args, **kwargs)
