"""Regions of interest are checked before a run: the mask, the aspect of the photos, and who knows no region."""

from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.project.hooks.preflight import PreflightHooks
from reb_pipeline.project.photos import Category
from reb_pipeline.project.run_folder import RunFolder, read_yaml

FEATURES, IMAGES = "params:screw.features", "screw.raw_images"


def saved(path, height, width, level=255):
    Image.fromarray(np.full((height, width), level, np.uint8)).save(path)
    return str(path)


def check(tmp_path, region, step="memory_bank", **features):
    """Check a run of one step on photos of 40 x 30 pixels."""
    saved(tmp_path / "0.png", 30, 40)
    photos = ImageCollection(
        fsspec.filesystem("file"), str(tmp_path), "screw", [Sample("0", "0.png", "train", 0, "good")], [], {}
    )  # fmt: skip
    values = {FEATURES: FeatureSettings(region=region, **features), IMAGES: photos}
    node = SimpleNamespace(
        namespace=f"screw.{step}", inputs=[FEATURES, IMAGES], outputs=["screw.backbone"]
    )
    pipeline = SimpleNamespace(nodes=[node], inputs=lambda: {FEATURES, IMAGES})
    catalog = {
        name: SimpleNamespace(load=lambda value=value: value) for name, value in values.items()
    }
    PreflightHooks._check_regions(pipeline, catalog, [IMAGES], lambda _: photos.samples)
    return pipeline, catalog


def test_a_mask_of_the_aspect_of_the_photos_is_used(tmp_path):
    check(tmp_path, saved(tmp_path / "mask.png", 60, 80))
    check(tmp_path, [[(0, 0), (1, 0), (0, 1)]])
    check(tmp_path, None, step="studies")


def test_a_mask_of_another_aspect_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"drawn on images 1.000 times .* of 40 x 30 pixels is 1.3"
    ):
        check(tmp_path, saved(tmp_path / "mask.png", 40, 40))


def test_a_region_that_will_be_found_is_left_to_the_run(tmp_path):
    check(tmp_path, "found")
    with pytest.raises(InputError, match="pipeline studies looks at whole images"):
        check(tmp_path, "found", step="studies")


def test_a_black_mask_is_refused(tmp_path):
    with pytest.raises(InputError, match="is black everywhere"):
        check(tmp_path, saved(tmp_path / "mask.png", 30, 40, level=0))


@pytest.mark.parametrize(
    "step", ["studies", "selection", "hybrid", "pixel_reconstruction", "detection"]
)
def test_what_looks_at_whole_images_takes_no_region(tmp_path, step):
    with pytest.raises(
        InputError, match=f"pipeline {step} looks at whole images: set features.reg"
    ):
        check(tmp_path, [[(0, 0), (1, 0), (0, 1)]], step=step)


def test_an_empty_field_of_another_aspect_or_a_black_one_is_refused(tmp_path):
    check(tmp_path, None, empty_field=saved(tmp_path / "empty.png", 60, 80, level=120))
    check(tmp_path, None, step="studies", empty_field=str(tmp_path / "empty.png"))
    with pytest.raises(
        InputError, match=r"empty field are 1\.000 times .* of 40 x 30 pixels is 1\.3"
    ):
        check(tmp_path, None, empty_field=saved(tmp_path / "square.png", 40, 40, level=120))
    with pytest.raises(InputError, match="is black"):
        check(tmp_path, None, empty_field=saved(tmp_path / "black.png", 30, 40, level=0))


def test_names_stay_names_where_a_folder_is_called_so(tmp_path, monkeypatch):
    for name in ("found", "imagenet", "mask.png"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    photos = Category("screw", str(tmp_path), ".", {}, SimpleNamespace(file_keys=list))
    folder = RunFolder(tmp_path / "screw.run")
    given = {"region": "found", "weights": "imagenet", "empty_field": "mask.png"}
    folder.write([photos], {"features": given})
    stored = read_yaml(folder.configuration / "local/parameters.yml")["features"]
    assert {name: stored[name] for name in given} == {
        **given, "empty_field": str(tmp_path / "mask.png")
    }  # fmt: skip


def test_lists_among_the_settings_of_features_are_checked_too(tmp_path):
    pipeline, catalog = check(tmp_path, [[(0, 0), (1, 0), (0, 1)]], layers=[1, 2], image_size=64)
    PreflightHooks._check_backbones(pipeline, catalog)


@pytest.mark.parametrize("name", ["region", "empty_field"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_an_image_of_the_settings_that_is_made_anew_is_another_training(tmp_path, name, in_folder):
    (tmp_path / "given").mkdir()
    mask = saved(tmp_path / "given/mask.png", 30, 40)
    images = SimpleNamespace(file_keys=list)
    photos = Category("screw", str(tmp_path), ".", {}, images)
    folder = RunFolder(tmp_path / "screw.run")

    def write():
        folder.write([photos], {"features": {name: str(tmp_path / "given") if in_folder else mask}})

    write()
    folder.begin("a run", [photos])
    write()
    assert folder.run_id([photos]) == "a run"
    saved(tmp_path / "given/mask.png", 30, 40, level=200)
    assert folder.run_id([photos]) is None
