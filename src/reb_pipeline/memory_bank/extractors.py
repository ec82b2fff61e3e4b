"""Settings of the extractor that made stored features, compared with those of another one."""

from collections.abc import Iterator
from typing import Any

from reb_pipeline.images.channels import OTHER_CHANNELS
from reb_pipeline.images.empty_field import OTHER_FIELD
from reb_pipeline.images.pose import OTHER_POSE
from reb_pipeline.images.region import OTHER_REGION

# Settings with a sentence of their own, because their values are long or have another name.
LONG = {
    "region": OTHER_REGION, "empty_field": OTHER_FIELD, "pose": OTHER_POSE, "channels": OTHER_CHANNELS
}  # fmt: skip
# Settings of banks that were stored without them.
FORMER_EXTRACTOR = {
    "unit_length": False, "region": None, "light": "as_is", "empty_field": None, "pose": None,
    "channels": None,
}  # fmt: skip
# Engines in single precision, each compared with PyTorch: their features differ by at most 1e-3 of the largest.
ALIKE_ENGINES = ("torch", "onnxruntime", "openvino")


def differing(used: dict[str, Any], extractor: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """List the settings of an extractor that differ from those that features were made with, if these are known.

    Engines of :data:`ALIKE_ENGINES` are as good as one.

    Yields:
        Name of the setting, the value that was used, and the value of the extractor.
    """
    own = FORMER_EXTRACTOR | used
    for name, value in extractor.items():
        are_alike = {own.get(name), value} <= set(ALIKE_ENGINES) if name == "engine" else False
        if used and own.get(name) != value and not are_alike:
            yield name, own.get(name), value
