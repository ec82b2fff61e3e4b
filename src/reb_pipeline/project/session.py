"""Kedro session of the project."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kedro.framework.session import KedroSession
from kedro.pipeline import Pipeline

from reb_pipeline.core.errors import InputError, check_known, print_input_error
from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.registry import (
    DEFAULT,
    DEFAULT_PIPELINE,
    REGISTRY,
    pipeline_names,
)
from reb_pipeline.project.hooks.sessions import run_of_parts

if TYPE_CHECKING:
    from kedro.pipeline.node import Node


class ProjectSession(KedroSession):
    """Kedro session that checks names of pipelines and categories, with errors in one sentence.

    Runs need no more of it: any other session of Kedro's, such as that of ``kedro server start``, runs the project too,
    and reports unknown names in Kedro's words. All other checks are those of hooks and loader.

    With the environment variable ``KEDRO_RUN_ID`` the session is a part of the run of that id. It saves under that
    version, loads that version of outputs of other parts, and replaces outputs of its own earlier attempts.

    Raises:
        InputError: If ``KEDRO_RUN_ID`` is not a valid version of Kedro.
    """

    def __init__(self, session_id: str, *args: Any, **kwargs: Any) -> None:
        sys.excepthook = print_input_error  # the log's configuration may have set another one
        super().__init__(run_of_parts() or session_id, *args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run pipelines like Kedro's session, after a check of all names.

        Raises:
            InputError: If a pipeline, category, namespace, node, tag or dataset does not exist, or nothing is selected.
        """
        self._get_config_loader()  # activates the list of categories of the environment
        check_known(kwargs.get("pipeline_names") or [], pipeline_names(), "Pipeline")
        namespaces = [name.split(".")[0] for name in kwargs.get("namespaces") or []]
        check_known(namespaces, categories(), "Category")
        _check_parts(**kwargs)
        return super().run(*args, **kwargs)


def _check_parts(**run: Any) -> None:
    """Check that the selected namespaces, nodes, tags and datasets exist in the pipelines of a run, and select a node.

    Raises:
        InputError: If one does not, or no node is in all that is selected.
    """
    namespaces = run.get("namespaces") or []
    tags = run.get("tags") or ()
    nodes, datasets = (
        [name for option in options for name in run.get(option) or []]
        for options in (
            ("from_nodes", "to_nodes", "node_names"),
            ("from_inputs", "to_outputs", "load_versions"),
        )
    )
    if not namespaces and not nodes and not datasets and not tags:
        return
    chosen = run.get("pipeline_names") or [DEFAULT]
    there = [node for name in chosen for node in REGISTRY[name].nodes]
    boxes = {node.namespace for node in there if node.namespace}
    check_known(namespaces, sorted(boxes | {box.split(".")[0] for box in boxes}), "Namespace")
    check_known(tags, sorted(set().union(*(node.tags for node in there))), "Tag")
    known = [node.name for node in there]
    for name in nodes:
        if name not in known:
            _check_elsewhere(name, chosen)
    check_known(nodes, known, "Node")
    if datasets:
        names = set().union(*(REGISTRY[name].datasets() for name in chosen))
        check_known(datasets, sorted(names), "Dataset")
    _check_selects(there, run)


def _check_selects(nodes: "list[Node]", run: dict[str, Any]) -> None:
    """Check that a node is in all that is selected.

    Raises:
        InputError: If there is none.
    """
    chosen = {
        option: run[option]
        for option in ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
        if run.get(option)
    }
    try:
        Pipeline(set(nodes)).filter(**chosen, node_namespaces=run.get("namespaces") or None)
    except ValueError as error:
        if run.get("namespaces"):
            chosen["namespaces"] = run["namespaces"]
        options = (
            f"--{name.replace('node_names', 'nodes').replace('_', '-')}={','.join(values)}"
            for name, values in chosen.items()
        )
        msg = f"No node is in all of {' '.join(options)}: leave one of them out."
        raise InputError(msg) from error


def _check_elsewhere(name: str, chosen: Sequence[str]) -> None:
    """Check that an unknown node is in no other pipeline, and that its name does not merely lack the pipeline.

    Raises:
        InputError: If a node has this name, or would have it without its pipeline: ``screw.hybrid.fuse_detectors`` for
            ``screw.fuse_detectors``.
    """
    others = [name for name in REGISTRY if name not in (*chosen, DEFAULT, DEFAULT_PIPELINE)]
    for pipeline in (*chosen, *others):
        for node in REGISTRY[pipeline].nodes:
            parts = node.name.split(".")
            if name in (node.name, f"{parts[0]}.{parts[-1]}"):
                msg = f"Node {name!r} is unknown: did you mean {node.name!r}?"
                if pipeline in others:
                    msg = f"Node {name!r} is not in this run: give {node.name!r} with --pipelines={pipeline}."
                raise InputError(msg)
