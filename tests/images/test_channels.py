"""Channels of several lights: picking some of a file of many equals an RGB file that holds just these."""

import io
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import odd_images as odd
from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.collection import ImageCollection, Sample, loose_images
from reb_pipeline.images.decoding import (
    CMYK,
    count_channels,
    count_pixels,
    decode_image,
    read_image,
)
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples
from reb_pipeline.images.value_range import ValueRange
from reb_pipeline.parameters.sections import IngestionParams

RNG = np.random.default_rng(0)


def lights(n_channels, dtype=np.uint8, shape=(9, 13), seed=0):
    """An image of a part under so many lights, [height, width, channels]."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 250, (*shape, n_channels)).astype(dtype)


def tiff(image, **tags):
    """A TIFF of grey channels."""
    extra = {"t338": [0] * (image.shape[2] - 1)} if image.shape[2] > 1 else {}
    return odd.tiff(image, photometric=1, **extra, **tags)


def pages(images, **options):
    """A TIFF of several pages."""
    file = io.BytesIO()
    first, *others = map(Image.fromarray, images)
    first.save(file, "TIFF", save_all=True, append_images=others, **options)
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    n_channels=st.integers(2, 9),
    picked=st.lists(st.integers(0, 8), min_size=3, max_size=3) | st.lists(st.integers(0, 8), min_size=1, max_size=1),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    planes=st.sampled_from([1, 2]),
    orientation=st.integers(1, 8),
)  # fmt: skip
def test_picked_channels_are_the_file_of_these_channels(
    n_channels, picked, dtype, planes, orientation
):
    image, numbers = lights(n_channels, dtype), [one % n_channels for one in picked]
    own = image[:, :, numbers] if len(numbers) == 3 else image[:, :, numbers[0]]
    expected = decode_image(odd.tiff(own, t274=orientation), "own")
    found = decode_image(
        tiff(image, planes=planes, t274=orientation), "all", channels=Channels(tuple(numbers))
    )
    assert found.pixels.dtype == expected.pixels.dtype
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.remarks == expected.remarks
    assert found.n_channels == n_channels


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 3)])
def test_channels_are_counted_through_pages(shape, compression, predictor):
    of_pages = [RNG.integers(0, 255, shape, np.uint8) for _ in range(3)]
    together = np.dstack(of_pages)
    n_channels = together.shape[2]
    tags = {317: predictor} if compression and compression.startswith("tiff") else {}
    data = pages(of_pages, compression=compression, tiffinfo=tags)
    assert count_channels(data, "x") == n_channels
    for numbers in ((n_channels - 1, 0, 1), (2,)):
        found = decode_image(data, "x", channels=Channels(numbers))
        np.testing.assert_array_equal(found.pixels, Channels(numbers).of(together))


def test_floats_and_values_that_a_file_states_are_read_in_their_range():
    image = lights(5, np.uint16) << 4
    stated = decode_image(tiff(image, t341=4095), "x", channels=Channels((4, 3, 2)))
    assert stated.stated == (4095,)
    with pytest.raises(InputError, match="states that none exceeds 1023"):
        decode_image(tiff(image, t341=1023), "x", channels=Channels((4, 3, 2)))
    unit = (lights(5) / 250).astype(np.float32)
    found = read_image(tiff(unit), "x", value_range=ValueRange(0, 1), channels=Channels((4,)))
    np.testing.assert_array_equal(found[:, :, 0], np.rint(unit[:, :, 4] * 255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_alpha_channel_of_a_png_is_a_channel(dtype):
    image = lights(4, dtype)
    data = odd.pillow(image, "PNG") if dtype == np.uint8 else odd.png(image)
    for numbers in ((3, 1, 0), (3,)):
        found = decode_image(data, "x", channels=Channels(numbers))
        np.testing.assert_array_equal(found.pixels, Channels(numbers).of(image))


def test_inks_are_picked_as_they_are_stored():
    image = Image.fromarray(lights(4), "CMYK")
    found = decode_image(odd.pillow(image, "JPEG"), "x", channels=Channels((3,)))
    assert (found.n_channels, found.remarks) == (4, ())
    assert decode_image(odd.pillow(image, "JPEG"), "x").remarks == (CMYK,)


GREY, SMALL = lights(1)[:, :, 0], lights(1, shape=(5, 5))[:, :, 0]
PALETTE = odd.pillow(Image.fromarray(odd.RGB8).quantize(8), "TIFF")
FRAMES = odd.pillow(
    Image.fromarray(odd.RGB8), "WEBP", save_all=True, append_images=[Image.fromarray(255 - odd.RGB8)]
)  # fmt: skip
REFUSED = {
    "a channel that the file lacks": (
        tiff(lights(3)), (3, 1, 0), r"has 3 channels, numbered from 0, and ingestion.channels = \[3, 1, 0\] asks for"),
    "grey": (odd.pillow(GREY, "PNG"), (1,), "has 1 channel, numbered from 0"),
    "pages of two sizes": (pages([GREY, SMALL]), (0,), "pages that differ in size"),
    "a palette": (PALETTE, (0,), "other colours .photometric interpretation 3"),
    "with loss": (pages([lights(3, shape=(16, 16))] * 2, compression="jpeg"), (0,), "with loss .compression 7"),
    "other colours": (odd.tiff(odd.RGB8, photometric=8), (0,), "other colours .photometric interpretation 8"),
    "too many channels": (tiff(lights(65, shape=(2, 2))), (0,), "has 65 channels, more than the 64"),
    "too many pages": (pages([GREY] * 80), (0,), "has 65 channels, more than the 64"),
    "64 bits": (odd.tiff(odd.RAMP12 / 4095), (0,), "samples of 64 bits"),
    "cut off in the first directory": (tiff(lights(5))[:12], (0,), "a TIFF file that is cut off"),
    "cut off in the header": (tiff(lights(5))[:6], (0,), "a TIFF file that is cut off"),
    "cut off": (tiff(lights(5))[:-40], (4, 3, 2), "is cut off"),
    "frames of a WebP": (FRAMES, (0,), "holds 2 frames"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_picked_is_refused_in_one_sentence(kind):
    data, numbers, reason = REFUSED[kind]
    with pytest.raises(InputError, match=f"^Image 'part.tif'.*{reason}") as error:
        read_image(data, "part.tif", channels=Channels(numbers))
    assert "\n" not in str(error.value)


def test_many_channels_are_neither_decoded_nor_free_in_a_service():
    data = tiff(lights(7))
    assert count_pixels(data) == 9 * 13
    with pytest.raises(InputError, match="more than the 100 that are taken"):
        read_image(data, "x", 100, channels=Channels((0,)))
    with pytest.raises(InputError, match="has 7 channels where the images learnt from have 5"):
        read_image(data, "x", channels=Channels((0,), 5))


def test_without_channels_several_lights_are_refused_with_the_setting():
    for data in (tiff(lights(5)), pages([lights(1)[:, :, 0]] * 2)):
        with pytest.raises(InputError, match=r"picked by ingestion\.channels"):
            read_image(data, "x")


@pytest.mark.parametrize("value", ["red", [0, 1], [0, 1, 2, 3], -1, 64, [0, 1, -2], True, 1.5, []])
def test_a_setting_is_one_channel_or_three(value):
    with pytest.raises(ValueError, match="number of a channel, or three numbers, from 0 to 63"):
        IngestionParams(max_unreadable_share=0, channels=value)
    with pytest.raises(InputError, match="number of a channel, or three numbers, from 0 to 63"):
        Channels.of_setting(value)


def photographed(folder, channels, extra=()):
    """A category of three good photos under five lights, and further test images."""
    memory = fsspec.filesystem("memory")
    samples = []
    for number in range(3):
        memory.pipe(f"/{folder}/{number}.tif", tiff(lights(5, seed=number)))
        samples.append(Sample(f"{number}", f"{number}.tif", "train", 0, "good"))
    for name, data in extra:
        memory.pipe(f"/{folder}/{name}", data)
        samples.append(Sample(name, name, "test", 0, "good"))
    picked = Channels.of_setting(channels)
    return ImageCollection(memory, f"/{folder}", "part", samples, [], {}, channels=picked)


def test_a_category_is_read_as_one_of_these_channels():
    many = photographed("many", [3, 1, 0])
    memory = fsspec.filesystem("memory")
    for number in range(3):
        memory.pipe(f"/few/{number}.tif", odd.tiff(lights(5, seed=number)[:, :, [3, 1, 0]]))
    few = ImageCollection(memory, "/few", "part", many.samples, [], {})
    assert many.channels == Channels((3, 1, 0), 5)
    assert few.channels is None
    of_many, of_few = (take_inventory(one, "inspected") for one in (many, few))
    assert of_many["pixels_sha256"].tolist() == of_few["pixels_sha256"].tolist()
    for sample in many.samples:
        np.testing.assert_array_equal(many.open_image(sample.path), few.open_image(sample.path))
        np.testing.assert_array_equal(many.open_shown(sample.path), few.open_shown(sample.path))


def test_photos_of_another_number_of_channels_are_left_out_or_stop_the_run():
    images = photographed("unlike", 4, extra=[("other.tif", tiff(lights(6)))])
    table = take_inventory(images, "inspected")
    assert table["error"].tolist()[:3] == [""] * 3
    assert "has 6 channels where the images learnt from have 5" in table["error"][3]
    assert len(usable_samples(table, 0.5)) == 3
    with pytest.raises(InputError, match="has 6 channels where"):
        usable_samples(table, 0.02)
    lacking = photographed("lacking", [0, 1, 5])
    with pytest.raises(InputError, match=r"good training image '0.tif' .*asks for number 5"):
        take_inventory(lacking, "inspected")


def test_masks_are_read_as_they_are():
    memory = fsspec.filesystem("memory")
    mask = np.zeros((9, 13), np.uint8)
    mask[2:4] = 255
    memory.pipe("/many/mask.png", odd.pillow(mask, "PNG"))
    images = photographed("many", [3, 1, 0])
    np.testing.assert_array_equal(images.open_mask(["mask.png"]), mask > 0)
    assert images.doubts_of_mask(["mask.png"]) == []


def test_the_range_of_deep_channels_is_that_of_the_picked_ones():
    memory = fsspec.filesystem("memory")
    image = lights(5, np.uint16)
    image[:, :, 4] = 4000
    memory.pipe("/deep/0.tif", tiff(image))
    sample = Sample("0", "0.tif", "train", 0, "good")
    for channels, high in ((1, 255), (4, 4095)):
        images = ImageCollection(
            memory, "/deep", "part", [sample], [], {}, channels=Channels((channels,))
        )
        assert images.value_range.high == high


def test_other_images_of_the_category_are_read_as_the_ones_learnt_from():
    from reb_pipeline.project.hooks.preflight import _check_readable

    photographed("loose", 4)
    memory, names = fsspec.filesystem("memory"), ["/loose/0.tif", "/loose/1.tif"]
    _check_readable(memory, names, "loose", Channels((4,), 5))  # before a training
    with pytest.raises(InputError, match=r"calibration.folder = 'loose' has 5 channels where"):
        _check_readable(memory, names, "loose", Channels((4,), 6))
    images = loose_images("memory://loose", channels=Channels((4,), 5))
    np.testing.assert_array_equal(images.open_image("1.tif")[:, :, 0], lights(5, seed=1)[:, :, 4])
    fsspec.filesystem("memory").pipe("/loose/1.tif", tiff(lights(6)))
    with pytest.raises(InputError, match="has 6 channels where"):
        images.open_image("1.tif")


def test_features_remember_the_channels(tmp_path):
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.features.adapted import BackboneWeights
    from reb_pipeline.features.settings import FeatureSettings
    from reb_pipeline.memory_bank.bank import collect_patches

    weights = BackboneWeights({}, {"backbone": "resnet18", "weights": "imagenet"})
    encoder = Encoder(FeatureSettings(backbone="resnet18"), weights)
    sources = []
    for channels in ([3, 1, 0], [3, 1, 1]):
        images = photographed("many", channels)
        table = images.table.assign(sha256=["a", "b", "c"])
        sources.append(ImageFeatures.of_samples(Samples(table, images), encoder))
    first, second = sources
    assert first.provenance["channels"] == {"picked": [3, 1, 0], "n_channels": 5}
    assert first.image_hashes == second.image_hashes == ["a", "b", "c"]
    assert not {one.digest for one in first.images} & {one.digest for one in second.images}
    grids = [("a", np.zeros((2, 2, 3), np.float32))]
    bank = collect_patches(grids, 1, first.provenance)
    bank.check_extractor(first.provenance)
    with pytest.raises(InputError, match="made of other channels of the image files"):
        bank.check_extractor(second.provenance)
    of_former = collect_patches(grids, 1, {"backbone": "resnet18"})
    of_former.check_extractor({"channels": None})


@pytest.fixture(scope="module")
def inspector(tmp_path_factory):
    """A model that learnt from the miniature's parts as channels 3, 1 and 0 of five."""
    pytest.importorskip("onnx")
    from dataclasses import replace

    from reb_pipeline.inspection import Inspector
    from reb_pipeline.inspection.model import write_model
    from tiny_model import tiny_model

    model = tiny_model()
    features = {**model.manifest["features"], "channels": Channels((3, 1, 0), 5).as_json()}
    folder = str(tmp_path_factory.mktemp("lights") / "model")
    manifest = {**model.manifest, "features": features}
    write_model(replace(model, manifest=manifest), folder, fsspec.filesystem("file"))
    return Inspector.load(folder)


def under_lights(rgb):
    """A photo of five channels, of which 3, 1 and 0 are those of an RGB image."""
    image = np.full((*rgb.shape[:2], 5), 200, np.uint8)
    image[:, :, [3, 1, 0]] = rgb
    return image


def test_folder_service_and_python_inspect_the_picked_channels(inspector, tmp_path):
    from reb_pipeline.inspection.folder import inspect_folder

    rgb = draw_part(300)[0]
    expected = inspector.inspect(rgb).image_score
    data = tiff(under_lights(rgb))
    (tmp_path / "part.tif").write_bytes(data)
    (tmp_path / "rgb.png").write_bytes(odd.pillow(rgb, "PNG"))
    assert inspector.inspect(data).image_score == expected
    assert inspector.inspect(tmp_path / "part.tif").image_score == expected
    assert inspector.inspect(inspector.read(data, "part.tif")).image_score == expected
    found = {one.row["path"]: one.row for one in inspect_folder(inspector, str(tmp_path), {})}
    assert found["part.tif"]["image_score"] == expected
    assert found["rgb.png"]["verdict"] == "unreadable"
    assert "has 3 channels where the images learnt from have 5" in found["rgb.png"]["error"]
    uploads = pytest.importorskip("reb_pipeline.service.uploads")
    from starlette.exceptions import HTTPException

    budget = uploads.PixelBudget(SimpleNamespace(max_pixels=10_000, max_request_pixels=20_000))
    learnt = inspector.value_range, inspector.channels

    def uploaded(data):
        return SimpleNamespace(file=io.BytesIO(data), filename="part.tif")

    np.testing.assert_array_equal(budget.decode(uploaded(data), *learnt), rgb)
    with pytest.raises(HTTPException, match="has 3 channels where") as error:
        budget.decode(uploaded(odd.pillow(rgb, "PNG")), *learnt)
    assert error.value.status_code == 422


def test_the_setting_reaches_the_images_or_is_refused(tmp_path):
    from pathlib import Path

    from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
    from reb_pipeline.project.photos import find_categories

    conf = str(Path(__file__).parents[2] / "conf")
    given = {"ingestion": {"channels": [3, 1, 0]}}
    loader = ProjectConfigLoader(conf, env="folder", runtime_params=given, **LOADER_ARGS)
    assert loader["catalog"]["{category}.raw_images"]["channels"] == {"part": [3, 1, 0]}
    loader = ProjectConfigLoader(conf, env="mvtec_ad", runtime_params=given, **LOADER_ARGS)
    with pytest.raises(InputError, match=r"ingestion.channels = .3, 1, 0. has no effect"):
        loader["catalog"]
    (tmp_path / "good").mkdir()
    for name in "abc":
        (tmp_path / f"good/{name}.tif").write_bytes(tiff(lights(5)))
    for section in ({"channels": 4}, {"channels": 2, "per_category": {"web": {"channels": 4}}}):
        ((category,), _) = find_categories(str(tmp_path), "web", 0.05, {}, section)
        assert category.images.channels == Channels((4,), 5)
