"""The engine that an encoder records, and the networks that are converted once."""

import numpy as np
import pytest

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.sources import encoder as encoders
from reb_pipeline.detectors.sources.encoder import KEPT, Encoder
from reb_pipeline.features import engines
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.memory_bank.bank import collect_patches

SETTINGS = FeatureSettings(image_size=64, width=16, engine="auto")
IMAGES = [draw_part(seed)[0] for seed in range(2)]


@pytest.fixture(scope="module")
def weights():
    return Encoder.initial(SETTINGS, "cpu").backbone


@pytest.fixture(autouse=True)
def kept():
    """Networks that are kept: none before and after."""
    encoders._kept.clear()
    yield encoders._kept
    encoders._kept.clear()


def test_the_engine_in_use_is_recorded(weights, monkeypatch):
    encoder = Encoder(SETTINGS, weights, "cpu")
    assert encoder.provenance["engine"] == "openvino"
    monkeypatch.setattr(engines, "QUICKEST", ())
    encoders._kept.clear()
    assert Encoder(SETTINGS, weights, "cpu").provenance["engine"] == "torch"


def test_a_network_is_converted_once(weights, monkeypatch):
    found = Encoder(SETTINGS, weights, "cpu").patches()(IMAGES)
    monkeypatch.setattr(engines, "_build_converted", None)  # cannot be called
    again = Encoder(SETTINGS, weights, "cpu")
    np.testing.assert_array_equal(again.patches()(IMAGES), found)
    by_name = Encoder(again.tapping(None), weights, "cpu")
    np.testing.assert_array_equal(by_name.patches()(IMAGES), found)


def test_few_networks_are_kept(weights, kept):
    for width in range(1, KEPT + 3):
        settings = SETTINGS.model_copy(update={"width": width, "engine": "openvino"})
        Encoder(settings, weights, "cpu").patches()
    assert len(kept) == KEPT
    Encoder(SETTINGS.model_copy(update={"engine": "torch"}), weights, "cpu").patches()
    assert len(kept) == KEPT  # building one by PyTorch is quick


@pytest.mark.parametrize("made_by", ["torch", "onnxruntime", "openvino", "openvino_bf16"])
def test_a_bank_takes_features_of_any_engine_of_its_precision(made_by):
    bank = collect_patches([("a", np.zeros((2, 2, 3), np.float32))], 1, {"engine": made_by})
    for other in ("torch", "onnxruntime", "openvino", "openvino_bf16"):
        if (made_by == "openvino_bf16") == (other == "openvino_bf16"):
            bank.check_extractor({"engine": other})
        else:
            with pytest.raises(InputError, match=f"engine = '{made_by}', not '{other}'"):
                bank.check_extractor({"engine": other})
