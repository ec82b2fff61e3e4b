"""Check before a run that all its steps see images in one pose."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

OF_IMAGES_AS_TAKEN = ("selection", "studies")  # pipelines that open images themselves


def check_pose(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Check that categories whose images are aligned have no step that sees images as they were taken.

    Raises:
        InputError: If they have one: a pipeline that opens images itself, or a photo of the empty field.
    """
    from reb_pipeline.features.settings import FeatureSettings
    from reb_pipeline.images.pose import AS_TAKEN
    from reb_pipeline.parameters.sections import IngestionParams

    steps = {tuple((node.namespace or "").split(".")[:2]) for node in pipeline.nodes}
    for category, *rest in sorted(steps):
        ingestion, features = (f"params:{category}.{name}" for name in ("ingestion", "features"))
        if ingestion not in catalog:
            continue
        # Parameters that no node of this run reads come as dictionaries.
        pose = IngestionParams.model_validate(catalog[ingestion].load()).pose
        if pose == AS_TAKEN:
            continue
        if rest and rest[0] in OF_IMAGES_AS_TAKEN:
            msg = (
                f"The pipeline {rest[0]} sees images as they were taken, and ingestion.pose = {pose} of {category} "
                f"moves them: set it to {AS_TAKEN} for this run, or leave this pipeline out."
            )
            raise InputError(msg)
        if FeatureSettings.model_validate(catalog[features].load()).empty_field is not None:
            msg = (
                f"features.empty_field of {category} belongs to images as they were taken, and ingestion.pose = "
                f"{pose} moves them: set one of them back."
            )
            raise InputError(msg)
