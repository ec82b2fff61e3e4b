"""Lists of images: CSV files, and manifests of Amazon Lookout for Vision."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import miniatures
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import CSVListDataset, LookoutForVisionDataset
from reb_pipeline.images.inventory import audit, findings, take_inventory


@pytest.fixture
def photos(tmp_path):
    """Ten photos of good parts, in a folder good."""
    miniatures.write_good(tmp_path / "good", 10)
    return tmp_path


def load(folder, *lines, **options):
    (folder / "part.csv").write_text("\n".join(lines))
    return CSVListDataset(path=folder, category="part", **options).load()


def kinds(images):
    return Counter((sample.split, sample.defect_type) for sample in images.samples)


ALL = [f"good/{number:03}.png,good" for number in range(10)]
SPLIT = {"test": 0.2, "calibration": 2, "seed": 0}


def test_a_list_without_splits_is_shared_out(photos):
    images = load(photos, "path,label", *ALL, split=SPLIT)
    assert kinds(images) == {("train", "good"): 6, ("calibration", "good"): 2, ("test", "good"): 2}


def test_given_splits_are_kept(photos):
    rows = [f"{line},{'test' if number > 6 else 'train'}" for number, line in enumerate(ALL)]
    images = load(photos, "path,label,split", *rows, split=SPLIT)
    assert kinds(images) == {("train", "good"): 5, ("calibration", "good"): 2, ("test", "good"): 3}
    tested = {sample.id for sample in images.samples if sample.split == "test"}
    assert tested == {"good/007", "good/008", "good/009"}


def test_given_calibration_images_are_all_there_are(photos):
    rows = [f"{line},{'val' if number > 6 else 'train'}" for number, line in enumerate(ALL)]
    images = load(photos, "path,label,split", *rows, split=SPLIT | {"test": 0})
    assert kinds(images) == {("train", "good"): 7, ("calibration", "good"): 3}


@pytest.mark.parametrize(
    ("label", "kind"),
    [("OK", "good"), (" normal ", "good"), ("0", "good"), ("1", "defective"), ("bent", "bent")],
)
def test_labels(photos, label, kind):
    images = load(photos, "path,label", *ALL[:-1], f"good/009.png,{label}")
    (sample,) = [sample for sample in images.samples if sample.id == "good/009"]
    assert sample.defect_type == kind
    assert sample.label == (kind != "good")


def test_the_table_of_anomalib_is_known(photos):
    rows = [f"{number},good/{number:03}.png,{number // 9},train," for number in range(10)]
    images = load(photos, ",image_path,label_index,split,mask_path", *rows, split=SPLIT)
    assert kinds(images)[("test", "defective")] == 1


def test_images_without_a_label_are_named(photos):
    images = load(
        photos, "path;label", *(line.replace(",", ";") for line in ALL[:8]), "good/008.png;"
    )
    assert len(images.samples) == 8
    assert images.not_read == {"unlabeled": ["good/008.png", "good/009.png"]}
    report = audit(take_inventory(images, "images"), [], not_read=images.not_read)
    assert any("their list gives them no label" in line for line in findings(report))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["photo,kind", *ALL], r"first line of 'part.csv' names no column path and no label"),
        (ALL, r"names no column path and no label \('good/000.png,good'\): begin the file"),
        ([], r"names no column path and no label \(''\)"),
        (["path,label", *ALL, ALL[3]], "Line 5 of 'part.csv' and Line 12 .* same image 'good/003"),
        (["path,label", *ALL, ",good"], "Line 12 of 'part.csv' names no image"),
        (["path,label,split", ALL[0] + ",best"], r"Line 2 .* names the split 'best': write train"),
        (["path,label", "a/1.png,good"], r"None of the 1 images .* such as 'a/1.png': put them"),
        (["path,label", '"good/000.png,good', *ALL[1:]], "'part.csv' .*end of data.*: close its"),
        (["path,label", "a" * 200_000], "'part.csv' cannot be read as a table"),
        (["path,label", ALL[0] + "\xff"], "is no text in UTF-8"),
        (["path,label", "good/000.png,bent"], "has no good training images"),
        (["path,label,mask", ALL[0] + ",", "good/001.png,bent,m/1.png"], "None of the 1 masks"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_used_says_why(photos, lines, message):
    (photos / "part.csv").write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(InputError, match=message):
        CSVListDataset(path=photos, category="part").load()


def test_a_file_of_another_name_or_one_of_each_split(photos):
    for name, lines in (("a", ALL[:7]), ("b", ALL[7:])):
        (photos / f"{name}.csv").write_text("\n".join(["path,label", *lines]))
    one = CSVListDataset(path=photos, category="part", file="a.csv", split=SPLIT)
    assert len(one.load().samples) == 7
    both = {"train": "a.csv", "test": "b.csv"}
    images = CSVListDataset(path=photos, category="part", file=both, split=SPLIT).load()
    assert kinds(images) == {("train", "good"): 5, ("calibration", "good"): 2, ("test", "good"): 3}
    with pytest.raises(InputError, match=r"list 'c.csv' is not in data root .*correct `file`"):
        CSVListDataset(path=photos, category="part", file="c.csv").load()


def test_images_elsewhere_are_read_by_absolute_path(photos, tmp_path_factory):
    other = tmp_path_factory.mktemp("lists, ü")
    absolute = [f"{photos}/{line}" for line in ALL]
    images = load(other, "path,label", *absolute)
    assert len(images.samples) == 10
    for sample in images.samples:
        assert images.open_image(sample.path).shape == (64, 64, 3)
    assert len(list(images.file_keys())) == 10
    assert images.not_read == {}
    (photos / "other.csv").write_text("\n".join(["path,label", *absolute]))
    beside = CSVListDataset(path=photos, category="part", file="other.csv").load()
    assert beside.samples[0].path == "good/000.png"


def test_images_elsewhere_are_read_by_url(photos, tmp_path_factory):
    address = miniatures.copy_to_memory(photos, "bucket")
    other = tmp_path_factory.mktemp("lists")
    images = load(other, "path,label", *(f"{address}/{line}" for line in ALL))
    assert images.samples[0].path == "memory:///bucket/good/000.png"
    assert images.open_image(images.samples[0].path).shape == (64, 64, 3)
    with pytest.raises(InputError, match=r"'nothing://a/good/000.png' cannot be read .*copy the"):
        load(other, "path,label", *(f"nothing://a/{line}" for line in ALL))
    with pytest.raises(InputError, match=r"cannot be read \(it is not there\)"):
        load(other, "path,label", *(f"memory:///gone/{line}" for line in ALL))


def test_16_bits_elsewhere_have_the_range_of_their_files(photos, tmp_path_factory):
    for number in range(3):
        grey = np.full((8, 8), 1000 + number, np.uint16)
        Image.fromarray(grey).save(photos / f"good/{number:03}.png")
    other = tmp_path_factory.mktemp("lists")
    images = load(other, "path,label", *(f"{photos}/{line}" for line in ALL[:3]))
    assert images.value_range.high == 1023


def manifest(folder, *lines):
    (folder / "part.manifest").write_text("\n".join(map(json.dumps, lines)))
    return LookoutForVisionDataset(path=folder, category="part")


def line(name, kind="normal", **others):
    label = {"class-name": kind, "type": "groundtruth/image-classification"}
    return {
        "source-ref": f"s3://bucket/a/{name}",
        "anomaly-label": 0,
        "anomaly-label-metadata": label,
        **others,
    }


COLORS = {
    "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
    "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
    "2": {"class-name": "dent", "hex-color": "#1f77b4", "confidence": 0.0},
}


def test_a_mask_is_what_has_a_colour_of_the_map(photos):
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[:4, :4] = (44, 160, 44)
    pixels[8, 8] = (31, 119, 180)
    pixels[20:30, 20:30] = (0, 0, 0)  # no class: of a drawing tool
    Image.fromarray(pixels).save(photos / "mask.png")
    masked = {
        "mask-ref": "s3://bucket/masks/mask.png",
        "mask-ref-metadata": {"internal-color-map": COLORS},
    }
    images = manifest(
        photos, line("good/000.png"), line("good/001.png", "anomaly", **masked)
    ).load()
    sample = images.samples[1]
    assert (sample.defect_type, sample.mask_paths) == ("anomaly", ("mask.png",))
    for collection in (images, images.without("train")):
        mask = collection.open_mask(sample.mask_paths)
        assert mask.sum() == 17
        assert mask[8, 8]
    assert images.doubts_of_mask(sample.mask_paths) == []


def test_the_label_is_the_class_and_not_the_number(photos):
    """The service writes 0 for an anomaly into the manifests that it exports, and 1 for a normal image."""
    lines = [line("good/000.png"), line("good/001.png", "Anomaly"), line("good/002.png", "unsure")]
    images = manifest(photos, *lines).load()
    assert kinds(images) == {("train", "good"): 1, ("test", "anomaly"): 1}
    assert "good/002.png" in images.not_read["unlabeled"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"source-ref": "s3://b/good/000.png"}\nnonsense', "Line 2 of 'part.manifest' is no JSON"),
        ("[1]", "Line 1 of 'part.manifest' is no JSON object with source-ref"),
        ('{"source": "s3://b/good/000.png"}', "is no JSON object with source-ref"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(photos, text, message):
    (photos / "part.manifest").write_text(text)
    with pytest.raises(InputError, match=message):
        LookoutForVisionDataset(path=photos, category="part").load()


def test_a_colour_that_is_none_is_named(photos):
    colors = {"1": {"class-name": "scratch", "hex-color": "green"}}
    masked = {"m-ref": "s3://b/good/002.png", "m-ref-metadata": {"internal-color-map": colors}}
    with pytest.raises(InputError, match=r"Line 2 of 'part.manifest' has the colour 'green'"):
        manifest(photos, line("good/000.png"), line("good/001.png", "anomaly", **masked)).load()
