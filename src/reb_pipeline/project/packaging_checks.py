"""Check before a run that the models it trains can be packaged."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

MODEL = ".packaged_model"  # ending of the datasets


def check_packaging(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Check that the packages for the export of the network are installed, and that it computes as the package will.

    Raises:
        InputError: If one is missing, or the engine is of another precision.
    """
    packaged = sorted(name for name in pipeline.all_outputs() if name.endswith(MODEL))
    if not packaged:
        return
    from reb_pipeline.features.onnx_export import check_packages
    from reb_pipeline.features.settings import FeatureSettings

    check_packages()
    for name in packaged:
        category = name.removesuffix(MODEL)
        given = catalog[f"params:{category}.features"].load()
        if FeatureSettings.model_validate(given).engine == "openvino_bf16":
            msg = (
                f"features.engine = 'openvino_bf16' of {category} computes with fewer bits than a packaged model does, "
                f"so that its scores would be others: set features.engine to auto."
            )
            raise InputError(msg)
