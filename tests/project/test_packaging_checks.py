"""Checks before a training of settings that cannot be packaged."""

from types import SimpleNamespace

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.project.packaging_checks import check_packaging

pytest.importorskip("onnx")


def check(engine, *outputs):
    pipeline = SimpleNamespace(all_outputs=lambda: set(outputs))
    features = SimpleNamespace(load=lambda: FeatureSettings(engine=engine))
    check_packaging(pipeline, {"params:screw.features": features})


def test_an_engine_of_fewer_bits_is_refused_where_a_model_is_packaged():
    check("openvino_bf16", "screw.memory_bank")
    with pytest.raises(InputError, match=r"'openvino_bf16' of screw .* set features.engine to"):
        check("openvino_bf16", "screw.memory_bank", "screw.packaged_model")


@pytest.mark.parametrize("engine", ["auto", "torch", "onnxruntime", "openvino"])
def test_engines_of_single_precision_are_packaged(engine):
    check(engine, "screw.packaged_model")
