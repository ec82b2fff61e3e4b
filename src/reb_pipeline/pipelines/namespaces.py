"""One copy of a pipeline for every category of the environment."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline

from reb_pipeline.parameters.loader import categories

COMPUTE = "params:compute"
ALL_PARAMETERS = "parameters"  # of all categories, under one name in every namespace
GPU = "gpu"  # tag of nodes that are faster on one
# Tag of nodes that make something of UnavailableImages.
TOLERATES_MISSING_DATA = "tolerates_missing_data"


def per_category(
    template: Pipeline,
    sections: Iterable[str] = (),
    outputs: Iterable[str] = (),
    shared: Iterable[str] = (),
) -> Pipeline:
    """Copy ``template`` into the namespace of each category.

    Args:
        template: Nodes that speak of ``samples``, ``memory_bank``, …; they become ``screw.samples``, ….
        sections: Sections of the parameters that differ by category: ``params:scoring`` becomes
            ``params:scoring.screw``.
        outputs: Datasets that other categories are compared with: ``metrics`` becomes ``metrics_screw``.
        shared: Parameters that are the same for all categories, such as ``params:studies``.
    """
    return Pipeline(
        [
            Pipeline(
                template,
                namespace=category,
                parameters={f"params:{name}": f"params:{name}.{category}" for name in sections}
                | {name: name for name in shared},
                outputs={name: f"{name}_{category}" for name in outputs},
            )
            for category in categories()
        ]
    )
