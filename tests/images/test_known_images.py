"""Images that changed under the same names are refused wherever samples are opened."""

import numpy as np
import pytest
from PIL import Image

from miniatures import make_mvtec_ad
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.detectors.sources.images import SamplePixels, SourceImage
from reb_pipeline.figures.examples import examples_of
from reb_pipeline.images.inventory import take_inventory, usable_samples
from reb_pipeline.images.samples import Samples, check_images
from reb_pipeline.scoring.detection import Detection


@pytest.fixture
def samples(tmp_path):
    """Samples of a category, and its images, of which one was replaced since by another line's."""
    root = make_mvtec_ad(tmp_path / "images")
    images = MVTecADDataset(path=str(root), category="screw").load()
    table = usable_samples(take_inventory(images, "images"), 0)
    for path in table["path"]:
        Image.fromarray(255 - np.asarray(Image.open(root / path))).save(root / path)
    return Samples(table, images)


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
        lambda samples: GoodImages(samples, None, 32)[0],
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
