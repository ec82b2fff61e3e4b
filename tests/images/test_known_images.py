"""Images that changed under the same names are refused wherever samples are opened."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import miniatures
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import masks_of
from reb_pipeline.datasets import MVTecADDataset, MVTecLOCODataset
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.synthesis import estimate_saliency, synthesize_defects
from reb_pipeline.detectors.sources.images import SamplePixels, SourceImage
from reb_pipeline.figures.examples import examples_of
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples, check_images, check_learnt
from reb_pipeline.metrics.report import evaluate
from reb_pipeline.scoring.detection import Detection


@pytest.fixture
def samples(tmp_path):
    """Samples of a category, and its images, of which one was replaced since by another line's."""
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    images = MVTecADDataset(path=str(root), category="screw").load()
    table = usable_samples(take_inventory(images, "images"), 0)
    for path in table["path"]:
        Image.fromarray(255 - np.asarray(Image.open(root / path))).save(root / path)
    return Samples(table, images)


def saliency_of(samples):
    return SaliencyMaps(np.ones((len(samples), 8, 8), bool), samples.ids, "whole_image", [])


def hardest(samples):
    test = samples.test
    found = Detection(test.ids, np.arange(len(test), dtype=np.float32), None)
    return examples_of(found.table(samples.table), found.anomaly_maps(32, 4), samples.images, 1)


@pytest.mark.parametrize(
    "open_images",
    [
        lambda samples: next(samples.stream()),
        lambda samples: SourceImage.of_samples(samples)[0].open(),
        lambda samples: next(SamplePixels(samples).pixels(32)),
        lambda samples: GoodImages(samples, saliency_of(samples), 32)[0],
        hardest,
    ],
    ids=["stream", "features", "pixels", "donors", "figures"],
)
def test_changed_images_are_refused(samples, open_images):
    with pytest.raises(InputError, match=r"is not the image that the samples of screw list .*"):
        open_images(samples)


def test_samples_of_older_versions_are_opened(samples):
    older = samples.only(samples.table.drop(columns=["sha256", "pixels_sha256"]))
    assert len(list(older.stream())) == len(older)


def test_masks_that_changed_under_their_names_are_refused(tmp_path):
    root = miniatures.make_mvtec_loco(tmp_path)
    images = MVTecLOCODataset(path=str(root), category="pushpins").load()
    samples = usable_samples(take_inventory(images, ""), 0)
    row = next(samples[samples["label"] == 1].itertuples())
    assert masks_of(row)[1]
    images.open_mask(*masks_of(row))
    (mask, *_) = masks_of(row)[0]
    miniatures.write_mask(root / mask, np.ones((64, 64), bool))
    fault = "is not the mask that the samples of pushpins list under this name"
    for open_masks in (images.open_mask, images.open_regions):
        with pytest.raises(InputError, match=fault):
            open_masks(*masks_of(row))
        open_masks(*masks_of(row)[:1])  # of samples of an older version
    flat = np.zeros((len(samples), 4, 4), np.float32)
    found = Detection(samples["id"].tolist(), flat[:, 0, 0], flat)
    with pytest.raises(InputError, match=fault):
        evaluate(
            found.table(samples), found.anomaly_maps(64, 1.0), images, pro_fpr_limit=0.3,
            spro_fpr_limit=0.05, pixel_resolution="image", description="",
        )  # fmt: skip


NETWORK = {"image_ids": ["a", "b"], "image_hashes": ["A", "B"]}


@pytest.mark.parametrize(
    ("split", "hashes", "config", "fault"),
    [
        (["train", "train", "test"], "ABC", NETWORK, None),
        (["left out", "train", "test"], "ABC", NETWORK, None),
        (["train", "train", "test"], "ABA", NETWORK, None),  # a copy, which metrics leave out
        (["train", "train", "test"], "DEF", {}, None),  # an initial network, or of an older version
        (["test", "train", "test"], "ABC", NETWORK, r"1 images .* test or calibration .*'a'"),
        (["train", "calibration", "test"], "ABC", NETWORK, r"1 images .* calibration .*'b'"),
        (["train", "train", "test"], "AXB", NETWORK, r"1 images .* test or calibration .*'c'"),
        (["train", "train", "test"], "AXC", NETWORK, r"1 images whose files have changed.*'b'"),
    ],
)
def test_images_that_a_network_has_learnt_from(samples, split, hashes, config, fault):
    now = samples.table.head(3).assign(id=["a", "b", "c"], split=split, sha256=list(hashes))
    if fault is None:
        check_learnt("It", config, now, "train it again")
        if hashes == "ABC":
            check_learnt("It", config, now.tail(2), "train it again")  # "a" was forgotten
    else:
        with pytest.raises(InputError, match=rf"It has learnt from {fault}: train it again"):
            check_learnt("It", config, now, "train it again")


def test_saliency_and_synthetic_defects_of_other_images_are_refused(tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path)
    settings = DefectSynthesisSettings(per_kind=1)

    def made():
        images = MVTecADDataset(path=str(root), category="screw").load()
        samples = Samples(usable_samples(take_inventory(images, ""), 0), images)
        maps = estimate_saliency(samples, settings)
        return samples, maps, synthesize_defects(samples, maps, 32, settings)

    samples, maps, defects = made()
    held_out = samples.held_out_good
    GoodImages(held_out, maps, 32)
    defects.check_images(held_out.table)
    defects.check_saliency(maps)
    miniatures.write_image(root / "screw/train/good/000.png", miniatures.draw_part(77)[0])
    later, other_maps, _ = made()
    with pytest.raises(InputError, match=r"saliency maps were made from .*000' has changed"):
        GoodImages(later.held_out_good, maps, 32)
    with pytest.raises(InputError, match=r"defects were made on .*000' has changed.*synthesis"):
        defects.check_images(later.held_out_good.table)
    with pytest.raises(InputError, match=r"defects were made on .*is not among them"):
        defects.check_images(later.good_training.table.tail(3))
    defects.check_saliency(other_maps)  # the whole image each
    with pytest.raises(InputError, match="made with other saliency maps"):
        defects.check_saliency(replace(maps, maps=~maps.maps))


@pytest.mark.parametrize(
    ("ids", "hashes", "complete", "fault"),
    [
        (["a", "b"], ["A", "B"], True, None),
        (["b", "a"], [], True, None),  # of an older version
        (["a"], ["A"], False, None),
        (["a"], ["A"], True, "'b' is new"),
        (["a", "b", "c"], ["A", "B", "C"], False, "'c' is not among them"),
        (["a", "b"], ["A", "C"], False, "'b' has changed"),
    ],
)
def test_images_that_something_was_made_from(samples, ids, hashes, complete, fault):
    now = samples.table.head(2).assign(id=["a", "b"], sha256=["A", "B"])
    if fault is None:
        check_images("It was made from", now, ids, hashes, "make it again", complete=complete)
        return
    with pytest.raises(InputError, match=rf"made from other images .*{fault}\): make it again\."):
        check_images("It was made from", now, ids, hashes, "make it again", complete=complete)
