"""Estimate of the time of a run of many images, before it and while it runs."""

import logging
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import RAW_IMAGES
from reb_pipeline.project.hooks.sessions import run_of_parts

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from reb_pipeline.images.collection import ImageCollection

logger = logging.getLogger(__name__)

MANY = 1000  # images; fewer take no longer than the measurement is worth
FIRST = "extract_patch_features"  # node of every run that is estimated
SAID_EVERY = 60.0  # seconds
KNOWN = 0.05  # share of the estimated work after which its speed is that of the run itself


class RemainingTimeHooks(threading.local):
    """Hooks that log how long a run will take, and how long the rest of it.

    Parts of a run are not estimated: `reb train` says its own estimate. The state of a run is that of its thread.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self._seconds: dict[str, float] = {}  # name of a node that is not done -> estimate
        self._total = self._began = self._said = 0.0
        self._n_categories = 0

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Keep the context, whose parameters are read when a run begins."""
        self._context = context

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Measure this machine and log the estimate, if the run learns from many images."""
        self._seconds = {}
        if run_of_parts() or run_params.get("only_missing_outputs"):
            return
        names = {node.name for node in pipeline.nodes}
        images = _images(names, catalog)
        if sum(len(one.samples) for one in images.values()) < MANY:
            return
        from reb_pipeline.project.estimate import estimate, statement

        boxes = {name.rpartition(".")[2]: name for name in names}
        found = estimate(images, self._context.params)
        logger.info("This run: %s.", statement(found))
        for category, seconds in found.items():
            for node, estimated in seconds.items():
                box = boxes.get(node, "").split(".")
                if len(box) == 3:
                    self._seconds[f"{category}.{box[1]}.{node}"] = estimated
        self._total, self._n_categories = sum(self._seconds.values()), len(found)
        self._began = self._said = perf_counter()

    @hook_impl
    def after_node_run(self, node: "Node") -> None:
        """Log the time that is left, at most once a minute."""
        if self._seconds.pop(node.name, None) is None or not self._seconds:
            return
        now = perf_counter()
        if now - self._said < SAID_EVERY:
            return
        from reb_pipeline.project.estimate import time_text

        self._said = now
        left = time_text(self.remaining(now - self._began)).capitalize()
        finished = self._n_categories - len({name.partition(".")[0] for name in self._seconds})
        logger.info("%s left; %d of %d categories done.", left, finished, self._n_categories)

    def remaining(self, elapsed: float) -> float:
        """Estimate the seconds that are left, at the speed of the run so far.

        Args:
            elapsed: Seconds since the run began.
        """
        left = sum(self._seconds.values())
        done = self._total - left
        return left * elapsed / done if done > KNOWN * self._total else left


def _images(names: set[str], catalog: "CatalogProtocol") -> "dict[str, ImageCollection]":
    """Open the lists of images of the categories that are learnt."""
    from reb_pipeline.images.collection import ImageCollection

    learnt = [one for one in categories() if f"{one}.memory_bank.{FIRST}" in names]
    found = {name: catalog[f"{name}{RAW_IMAGES}"].load() for name in learnt}
    return {name: one for name, one in found.items() if isinstance(one, ImageCollection)}
