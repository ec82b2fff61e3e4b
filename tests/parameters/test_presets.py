"""Presets lie between an environment's values and those of the command."""

from pathlib import Path

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader

CONF = str(Path(__file__).parents[2] / "conf")


def sections(env="folder", **given):
    loader = ProjectConfigLoader(CONF, env=env, runtime_params=given, **LOADER_ARGS)
    return loader["parameters"]["part" if env == "folder" else "screw"]


def test_without_a_preset_nothing_changes():
    assert sections()["features"]["image_size"] == 256
    assert "preset" not in ProjectConfigLoader(CONF, env="folder", **LOADER_ARGS)["parameters"]


@pytest.mark.parametrize(("preset", "size", "share"), [("fast", 192, 0.03), ("accurate", 320, 0.1)])
@pytest.mark.parametrize("env", ["folder", "mvtec_ad"])
def test_a_preset_replaces_the_environment_s_values(env, preset, size, share):
    found = sections(env, preset=preset)
    assert found["features"]["image_size"] == size
    assert found["memory_bank"]["coreset_ratio"] == share
    assert found["features"]["backbone"] == sections(env)["features"]["backbone"]


def test_the_command_s_values_replace_the_preset_s():
    found = sections(preset="accurate", features={"image_size": 384})
    assert found["features"]["image_size"] == 384
    assert found["memory_bank"]["coreset_ratio"] == 0.1


def test_a_preset_of_another_name():
    with pytest.raises(InputError, match=r"Preset 'exact' is unknown: known are fast, accurate"):
        sections(preset="exact")
