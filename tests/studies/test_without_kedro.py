"""Studies and detectors on plain images, as a notebook uses them."""

import io
import subprocess
import sys

import fsspec
import numpy as np
import pytest
from PIL import Image

from miniatures import draw_part, write_good
from reb_pipeline.core.settings import Settings
from reb_pipeline.detectors.interface import settings_of
from reb_pipeline.detectors.registry import DETECTORS, DetectorSettings
from reb_pipeline.detectors.sources.cached import CachedFeatures
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.parameters.configurations import expand
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.studies.experiment import Experiment
from reb_pipeline.studies.measure import Evaluator
from reb_pipeline.studies.rows import study_rows
from reb_pipeline.studies.sections import StudySections

GOOD = [draw_part(seed)[0] for seed in range(8)]
TEST = [draw_part(100)[0], draw_part(200, "dark_spot")[0]]
SETTINGS = DetectorSettings(
    scoring=ScoringSettings(max_neighbors=3, n_neighbors=3),
    feature_reconstruction=FeatureReconstructionSettings(updates=2),
    pixel_reconstruction=PixelReconstructionSettings(updates=2, image_size=32),
    device="cpu",
)


@pytest.fixture(scope="module")
def encoder():
    return Encoder.initial(FeatureSettings(image_size=64), "cpu")


@pytest.fixture(scope="module")
def sources(encoder):
    return ImageFeatures.of_arrays(GOOD, encoder), ImageFeatures.of_arrays(TEST, encoder)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_takes_arrays(sources, name):
    good, test = sources
    detector = DETECTORS[name](SETTINGS)
    detector.fit(good)
    found = detector.detect(test)
    assert found.image_ids == ["0", "1"]
    assert np.isfinite(found.image_scores).all()
    values = settings_of(detector).values()
    assert not any(isinstance(value, Settings) for value in values)


def test_a_memory_bank_takes_arrays_and_folders(sources, encoder, tmp_path):
    good, test = sources
    found = MemoryBankDetector.fit(good, scoring=SETTINGS.scoring).detect(test)
    assert found.image_scores[1] > found.image_scores[0]

    write_good(tmp_path, len(GOOD))
    folder = ImageFeatures.of_folder(str(tmp_path), encoder)
    again = MemoryBankDetector.fit(folder, scoring=SETTINGS.scoring).detect(test)
    np.testing.assert_allclose(again.image_scores, found.image_scores, rtol=1e-4)


def test_images_without_a_hash_are_kept_by_their_pixels(encoder, tmp_path):
    write_good(tmp_path, 3)
    cache: dict[str, bytes] = {}

    def features():
        return CachedFeatures(
            ImageFeatures.of_folder(str(tmp_path), encoder).images, encoder, cache
        )

    first = [grid for _, grid in features().patches()]
    assert len(cache) == 3
    assert not np.array_equal(first[0], first[1])
    damaged, deleted, _ = sorted(cache)
    cache[damaged] = cache[damaged][:70]  # of 128 bytes of the header
    del cache[deleted]
    for _ in range(2):
        again = [grid for _, grid in features().patches()]
        np.testing.assert_array_equal(again, first)
    write_good(tmp_path, 3, seed=2)  # the first of them is the last of those before
    list(features().patches())
    assert len(cache) == 5


@pytest.fixture
def collection():
    """Images in memory, as a plain collection."""
    files = fsspec.filesystem("memory")
    samples = [(f"train/{n}", "train", "good", image) for n, image in enumerate(GOOD)]
    samples += [(f"test/{n}", "test", "good", draw_part(50 + n)[0]) for n in range(2)]
    samples += [(f"spot/{n}", "test", "spot", draw_part(90 + n, "dark_spot")[0]) for n in range(2)]
    listed = []
    for name, split, kind, pixels in samples:
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "png")
        files.pipe_file(f"/notebook/{name}.png", data.getvalue())
        listed.append(Sample(name, f"{name}.png", split, int(kind != "good"), kind))
    return ImageCollection(files, "/notebook", "part", listed, [], {})


def test_an_experiment_on_a_plain_collection(collection):
    sections = StudySections(features=FeatureSettings(image_size=64))
    grids = [{"detector": ["nearest", "gde", "padim"], "representation": ["imagenet"]}]
    configurations = expand(grids, sections.defaults())
    cache: dict[str, bytes] = {}
    evaluator = Evaluator(Experiment(collection, sections, cache, 5), pixel_metrics=False)
    reports = [evaluator.report(one) for one in configurations]
    settings = [one.settings() for one in configurations]
    table = study_rows("part", settings, reports, {"detector": "nearest"})
    assert table["status"].tolist() == ["measured"] * 3
    assert table["image_auroc"].tolist()[:1] == [1.0]


def test_studies_do_not_import_kedro():
    program = (
        "import sys\n"
        "from reb_pipeline.studies import candidates, choices, experiment, measure, published, regret, rows, views\n"
        "print([name for name in ('kedro', 'reb_pipeline.pipelines', 'reb_pipeline.datasets') if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
