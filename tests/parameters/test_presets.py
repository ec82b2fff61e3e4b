"""Presets lie between an environment's values and those of the command."""

import json
import shutil
from pathlib import Path

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.parameters.per_category import apply_preset, expand_parameters

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


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [
        (3, r"presets.mine cannot be used: it must hold names and values \(given: 3\)"),
        ([1], "presets.mine cannot be used"),
        ({"features": 3}, "presets.mine.features cannot be used"),
        ({"featurs": {}}, "presets.mine 'featurs' is unknown: did you mean 'features'"),
        ({"seed": 3}, "presets.mine 'seed' is unknown"),
        ({"preset": "fast"}, "presets.mine 'preset' is unknown"),
        ({"features": {"image_sise": 64}}, "'image_sise' is unknown"),
        ({"features": {"image_size": "large"}}, "features.image_size cannot be used"),
    ],
)
def test_a_preset_of_the_user_s_holds_sections_with_values(preset, sentence):
    with pytest.raises(InputError, match=sentence):
        sections(preset="mine", presets={"mine": preset})


def test_presets_that_are_none():
    with pytest.raises(InputError, match="presets cannot be used"):
        apply_preset({"preset": "mine", "presets": [1]}, {})


@pytest.mark.parametrize("given", [{}, {"seed": 7}])
def test_the_seed_of_an_environment_is_that_of_its_sections(tmp_path, given):
    """Base had put its own seed into the sections before the environment was read."""
    shutil.copytree(f"{CONF}/base", tmp_path / "base")
    (tmp_path / "mine").mkdir()
    values = {"seed": 5, "ssl_finetune": {"seed": 3}}
    (tmp_path / "mine/parameters.yml").write_text(json.dumps(values))
    loader = ProjectConfigLoader(str(tmp_path), env="mine", runtime_params=given, **LOADER_ARGS)
    found = loader["parameters"][loader.categories[0]]
    seed = given.get("seed", 5)
    for section in ("memory_bank", "defect_synthesis", "pixel_reconstruction"):
        assert found[section]["seed"] == seed, section
    assert found["ssl_finetune"]["seed"] == 3
    assert loader.runtime_params == given


@pytest.mark.parametrize("seed", [-1, 2**32, True, 1.5, "x", None, [1], {"x": 1}])
def test_a_seed_that_is_none(seed):
    with pytest.raises(
        InputError, match="Parameter seed cannot be used: it must be a whole number"
    ):
        expand_parameters({"seed": seed}, ["bolt"])
