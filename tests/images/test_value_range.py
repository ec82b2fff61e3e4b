"""Images of more than 8 bits are mapped from one range: declared, stated or inferred, and kept with the model."""

import io
import json
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import odd_images as odd
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures, SourceImage
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.arrays import read_array
from reb_pipeline.images.collection import loose_images
from reb_pipeline.images.inventory import audit, findings, take_inventory, usable_samples
from reb_pipeline.images.samples import Samples
from reb_pipeline.images.value_range import ValueRange, declared_range
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.pipelines.bank_update.changes import images_to_add

GOOD = 10


@pytest.fixture
def bolts(tmp_path):
    """A folder of good parts whose largest value is told, and an opener of its samples."""

    def make(largest, encode=lambda pixels: odd.pillow(pixels, "PNG"), **arguments):
        folder = tmp_path / "bolt/good"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(GOOD):
            pixels = np.full((6, 8), largest - number, np.uint16)
            (folder / f"{number}.png").write_bytes(encode(pixels))
        return datasets.PlainFolderDataset(path=tmp_path, category="bolt", **arguments).load()

    return make


@pytest.mark.parametrize(
    ("largest", "high"),
    [(700, 1023), (1023, 1023), (1040, 4095), (4095, 4095), (9000, 16383), (16400, 65535), (65535, 65535)],
)  # fmt: skip
def test_the_depth_is_that_of_the_good_training_images(bolts, largest, high):
    images = bolts(largest)
    brightest = max(
        int(images.decode(one.path, images.read(one.path)).pixels.max())
        for one in images.samples
        if one.split == "train"
    )
    assert high == min(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)
    assert images.value_range.as_json() == [0, high]
    assert images.without("test").value_range == images.value_range
    levels = [images.open_image(one.path)[0, 0, 0] for one in images.samples]
    values = [images.decode(one.path, images.read(one.path)).pixels[0, 0] for one in images.samples]
    assert levels == [round(int(value) * 255 / high) for value in values]


def test_a_declared_depth_comes_first(bolts):
    assert bolts(700, bit_depth=12).value_range.as_json() == [0, 4095]
    images = bolts(700, value_range=[100, 800])
    assert images.value_range.as_json() == [100, 800]
    (brightest,) = {
        images.open_image(one.path).max() for one in images.samples if one.id == "good/0"
    }
    assert brightest == round(600 * 255 / 700)


def test_a_stated_depth_comes_before_the_largest_value(bolts):
    assert bolts(700, lambda pixels: odd.tiff(pixels, t341=4095)).value_range.as_json() == [0, 4095]
    sbit = (b"sBIT", b"\x0c")
    assert bolts(700, lambda pixels: odd.png(pixels, sbit)).value_range.as_json() == [0, 4095]
    # Scaled as the specification of PNG asks: the largest value alone would give 14 bits.
    assert bolts(16000, lambda pixels: odd.png(pixels, sbit)).value_range.as_json() == [0, 65535]


def test_images_that_state_different_depths(bolts):
    images = bolts(700, lambda pixels: odd.tiff(pixels, t341=4095 if pixels[0, 0] % 2 else 1023))
    with pytest.raises(InputError, match=r"different largest values \(1023, 4095.*set bit_depth"):
        images.open_image("bolt/good/0.png")


def test_images_of_8_bits_need_no_range(bolts):
    images = bolts(255, lambda pixels: odd.pillow(pixels.astype(np.uint8), "PNG"))
    assert images.value_range is None
    assert images.open_image("bolt/good/3.png").max() == 252


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"bit_depth": 11}, "bit_depth=11 is not possible: choose one of 8, 10, 12, 14, 16"),
        ({"bit_depth": 12, "value_range": [0, 1]}, "give one"),
        ({"value_range": [1, 0]}, "two numbers, the lower one first"),
        ({"value_range": [0]}, "two numbers"),
        ({"value_range": [0, float("inf")]}, "two numbers"),
        ({"value_range": "dark"}, "two numbers"),
    ],
)
def test_ranges_that_cannot_be(arguments, reason, tmp_path):
    for made in (
        lambda: declared_range(arguments.get("bit_depth"), arguments.get("value_range")),
        lambda: datasets.PlainFolderDataset(path=tmp_path, category="bolt", **arguments),
        lambda: datasets.MVTecADDataset(path=tmp_path, category="bolt", **arguments),
    ):
        with pytest.raises(InputError, match=reason):
            made()


def test_the_audit_names_range_and_refused_images(bolts, tmp_path):
    bolts(3900)
    scratched = tmp_path / "bolt/scratch"
    scratched.mkdir()
    (scratched / "bright.png").write_bytes(odd.pillow(np.full((6, 8), 5000, np.uint16), "PNG"))
    (scratched / "clear.png").write_bytes(
        odd.pillow(np.dstack([odd.RGB8, np.full_like(odd.RAMP8, 255)]), "PNG")
    )
    images = datasets.PlainFolderDataset(path=tmp_path, category="bolt").load()
    inventory = take_inventory(images, "images")
    report = audit(inventory, [], value_range=images.value_range)
    json.dumps(report)
    assert report["value_range"].startswith(
        "0 to 4095, the range of the good training images, whose"
    )
    ((path, sentence),) = report["unreadable"].items()
    assert path == "bolt/scratch/bright.png"
    assert "value 5000 outside of 0 to 4095" in sentence
    assert report["conversions"] == {"an alpha channel without transparency dropped": 1}
    said = "\n".join(findings(report))
    assert "read as 0 to 4095" in said
    assert "1 images: an alpha channel without transparency dropped" in said
    assert len(usable_samples(inventory, 0.5)) == GOOD + 1
    declared = audit(inventory, [], value_range=ValueRange.of_depth(12))
    assert "read as" not in "\n".join(findings(declared))


def test_folders_beside_the_data_are_read_in_the_range_of_the_model(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/part.png").write_bytes(odd.pillow(np.full((6, 8), 800, np.uint16), "PNG"))
    folder, twelve = str(tmp_path / "new"), ValueRange.of_depth(12)
    images = loose_images(folder, value_range=twelve)
    assert images.open_image("part.png").max() == round(800 * 255 / 4095)
    assert len(images_to_add(folder, 0.0, twelve)) == 1
    for unfit in (None, ValueRange(0, 700)):
        with pytest.raises(InputError, match="range"):
            images_to_add(folder, 0.0, unfit)


def test_features_say_from_which_range_they_are(bolts):
    encoder = Encoder(
        FeatureSettings(backbone="resnet18"),
        BackboneWeights({}, {"backbone": "resnet18", "weights": "imagenet"}),
    )

    def features(images):
        table = take_inventory(images, "images")
        return ImageFeatures.of_samples(Samples(table, images), encoder)

    ten, twelve = features(bolts(900)), features(bolts(900, bit_depth=12))
    none = {"pose": None, "channels": None}
    assert ten.provenance == {**encoder.provenance, "value_range": [0, 1023], **none}
    assert {image.digest for image in ten.images}.isdisjoint(
        image.digest for image in twelve.images
    )
    bank = collect_patches([("a", np.zeros((2, 2, 3), np.float32))], 1, ten.provenance)
    bank.check_extractor(ten.provenance)
    with pytest.raises(InputError, match=r"made with value_range = \[0, 1023\], not \[0, 4095\]"):
        twelve.search(bank)
    plain = features(bolts(255, lambda pixels: odd.pillow(pixels.astype(np.uint8), "PNG")))
    assert plain.provenance == {**encoder.provenance, **none}
    assert isinstance(plain.images[0], SourceImage)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_arrays_are_mapped_alike(dtype, shape):
    values = np.linspace(0, 4095, int(np.prod(shape))).round().astype(dtype).reshape(shape)
    file = io.BytesIO()
    np.save(file, values)
    found = read_array(file.getvalue(), "a.npy", ValueRange.of_depth(12))
    rgb = values if values.ndim == 3 else np.repeat(values[:, :, None], 3, 2)
    np.testing.assert_array_equal(found, np.rint(rgb.astype(float) * 255 / 4095).astype(np.uint8))
    with pytest.raises(InputError, match="value 4095 outside of 0 to 1023"):
        read_array(file.getvalue(), "a.npy", ValueRange.of_depth(10))
    with pytest.raises(InputError, match="give an RGB image"):
        read_array(file.getvalue(), "a.npy")


@given(
    low=st.integers(0, 2000),
    span=st.integers(1, 60_000),
    dtype=st.sampled_from([np.uint16, np.uint32, np.float64]),
)
def test_levels_are_the_nearest_and_keep_the_order(low, span, dtype):
    values = np.unique(np.linspace(low, min(low + span, 65535), 300).round()).astype(dtype)
    scale = ValueRange(low, low + span)
    assert scale.fault(values) == ""
    found = scale.to_bytes(values)
    assert (np.diff(found.astype(int)) >= 0).all()
    exact = (values.astype(float) - low) * 255 / span
    assert np.abs(found - exact).max() <= 0.5
    assert scale.fault(values + dtype(span + 1)) != ""


def test_a_packaged_model_reads_images_in_its_range():
    pytest.importorskip("onnx")
    from reb_pipeline.inspection import Inspector
    from reb_pipeline.inspection.model import read_model, write_model
    from tiny_model import tiny_model

    def packaged(place, **extractor):
        model = tiny_model()
        features = {**model.manifest["features"], **extractor}
        manifest = {**model.manifest, "features": features}
        write_model(replace(model, manifest=manifest), place, memory)
        return Inspector(read_model(f"memory://{place}"))

    memory = fsspec.filesystem("memory")
    data = odd.pillow(np.full((6, 8), 2000, np.uint16), "PNG")
    twelve = packaged("/twelve", value_range=[0, 4095])
    assert twelve.read(data, "part.png").max() == round(2000 * 255 / 4095)
    assert twelve.inspect(twelve.read(data, "part.png")).image_score > 0
    with pytest.raises(InputError, match=r"16-bit pixels .* range is unknown"):
        packaged("/eight").read(data, "part.png")
    former = Inspector.load("tests/inspection/models/former_records")  # 16 bits were scaled
    assert former.read(data, "part.png").max() == round(2000 / 257)


def test_a_folder_is_inspected_in_the_range_of_the_model(tmp_path):
    pytest.importorskip("onnx")
    from reb_pipeline.inspection import Inspector
    from reb_pipeline.inspection.folder import inspect_folder
    from tiny_model import tiny_model, write_tiny

    inspector = Inspector.load(write_tiny(tmp_path / "model"))
    assert tiny_model().manifest["features"]["value_range"] is None
    assert inspector.value_range is None
    (tmp_path / "new").mkdir()
    (tmp_path / "new/part.png").write_bytes(odd.pillow(np.full((6, 8), 2000, np.uint16), "PNG"))
    (found,) = inspect_folder(inspector, str(tmp_path / "new"), {})
    assert found.row["verdict"] == "unreadable"
    inspector.value_range = ValueRange.of_depth(12)
    (found,) = inspect_folder(inspector, str(tmp_path / "new"), {})
    assert found.row["verdict"] in ("good", "defective", "undecided")
    inspector.value_range = ValueRange.of_depth(10)
    (found,) = inspect_folder(inspector, str(tmp_path / "new"), {})
    assert "value 2000 outside of 0 to 1023" in found.row["error"]
