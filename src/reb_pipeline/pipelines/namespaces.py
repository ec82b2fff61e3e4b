"""Copies of a pipeline for every category of the environment."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.parameters.per_category import SHARED_SECTIONS

CATEGORY = "params:category"  # name of the category
COMPUTE = "params:compute"
ALL_PARAMETERS = "parameters"  # parameters of all categories, with the same name in every namespace
RAW_IMAGES = ".raw_images"  # end of the names of raw images, after the category
GPU = "gpu"  # tag of nodes that are faster on a GPU
# Tag of nodes that accept UnavailableImages.
TOLERATES_MISSING_DATA = "tolerates_missing_data"


def per_category(
    name: str, template: Pipeline, outputs: Iterable[str] = (), inputs: Iterable[str] = ()
) -> Pipeline:
    """Copy a pipeline into the namespace of each category, as one box in Kedro-Viz.

    Names of datasets and parameters get the category as prefix, such as ``screw.samples`` and ``params:screw.scoring``.
    Sections of the parameters that are shared by all categories keep their names.

    Args:
        name: Name of the pipeline, a namespace inside that of the category: the node ``calibrate`` becomes
            ``screw.calibration.calibrate``.
        template: Nodes with datasets such as ``samples``, ``memory_bank`` and ``params:scoring``.
        outputs: Datasets that are compared between categories: ``metrics`` becomes ``metrics_screw``.
        inputs: Such datasets of another pipeline that this one reads.
    """
    boxed = Pipeline(template, namespace=name, prefix_datasets_with_namespace=False)
    return Pipeline(
        [
            Pipeline(
                boxed,
                namespace=category,
                parameters=set(filter(_is_shared, template.inputs())),
                outputs={output: f"{output}_{category}" for output in outputs},
                inputs={name: f"{name}_{category}" for name in inputs},
            )
            for category in categories()
        ]
    )


def _is_shared(name: str) -> bool:
    prefix, _, section = name.partition(":")
    return prefix == "params" and section.split(".")[0] in SHARED_SECTIONS
