import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

from fake_source import random_source
from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import read_record, write_record
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

GOOD, TEST = random_source(6, seed=0), random_source(3, seed=1)
BANK = GOOD.fused().reshape(-1, 8).astype(np.float64)
QUERIES = TEST.fused().reshape(-1, 8).astype(np.float64)


def fitted(bank=None, **scoring):
    return MemoryBankDetector.fit(
        GOOD, MemoryBankSettings(**(bank or {})), ScoringSettings(**scoring)
    )


def test_ldknn_by_hand():
    found = fitted(n_neighbors=4, alpha=0.5, image_score="max").detect(TEST)
    to_bank = cdist(QUERIES, BANK, "sqeuclidean")
    local = np.sort(cdist(BANK, BANK, "sqeuclidean"), axis=1)[:, 1:5].mean(axis=1)
    expected = to_bank.min(axis=1) - 0.5 * local[to_bank.argmin(axis=1)]
    np.testing.assert_allclose(found.patch_scores, expected.reshape(3, 4, 6), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.image_scores, found.patch_scores.max(axis=(1, 2)))
    assert found.image_ids == TEST.image_ids


@pytest.mark.parametrize(
    ("distance", "metric"), [("euclidean", "sqeuclidean"), ("cosine", "cosine")]
)
def test_test_features_come_to_the_bank_s_space(distance, metric):
    found = fitted({"distance": distance}, scorer="knn", n_neighbors=3).detect(TEST)
    factor = 2 if distance == "cosine" else 1  # |a − b|² of unit vectors is 2 (1 − cos)
    expected = factor * np.sort(cdist(QUERIES, BANK, metric), axis=1)[:, :3].mean(axis=1)
    np.testing.assert_allclose(found.patch_scores, expected.reshape(3, 4, 6), rtol=1e-4)


def test_one_search_serves_every_k_and_scorer():
    detector = fitted(scorer="knn", max_neighbors=7)
    found = detector.search(TEST.patches())
    for scorer in ("nearest", "knn", "ldknn", "lof"):
        for k in (2, 7):
            scoring = ScoringSettings(scorer=scorer, n_neighbors=k, max_neighbors=7)
            expected = MemoryBankDetector.fit(GOOD, scoring=scoring).detect(TEST)
            scores = detector.with_scoring(scoring).score(found)
            np.testing.assert_allclose(scores.patch_scores, expected.patch_scores, rtol=1e-5)
            np.testing.assert_allclose(scores.image_scores, expected.image_scores, rtol=1e-5)


def test_coreset_has_its_share_of_rows():
    detector = fitted({"coreset_ratio": 0.25, "seed": 3}, scorer="nearest")
    assert len(detector.features) == len(BANK) // 4
    whole = fitted(scorer="nearest").detect(TEST).patch_scores
    assert (detector.detect(TEST).patch_scores >= whole * (1 - 1e-5)).all()


def test_bytes_are_those_of_rows_and_the_density_that_is_read():
    detector = fitted({"distance": "mahalanobis"}, n_neighbors=2)
    assert detector.nbytes == 4 * (BANK.size + 2 * len(BANK) + 8 + 8 * 8)


def test_reweighted_reads_more_than_patch_scores():
    found = fitted(scorer="nearest", image_score="reweighted").detect(TEST)
    largest = np.sqrt(found.patch_scores.max(axis=(1, 2)))
    assert (found.image_scores > 0).all()
    assert (found.image_scores < largest).all()


def test_maps_of_distances_leave_the_scores_as_they_are():
    scored, shown = (
        fitted(alpha=0.5, anomaly_map=kind).detect(TEST) for kind in ("score", "distance")
    )
    np.testing.assert_array_equal(shown.image_scores, scored.image_scores)
    np.testing.assert_array_equal(shown.patch_scores, scored.patch_scores)
    nearest = fitted(scorer="nearest").detect(TEST)
    maps, expected = (one.anomaly_maps(32, 4.0).patch_scores for one in (shown, nearest))
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    assert np.abs(maps - scored.patch_scores).max() > 0.01


def test_settings_of_image_scores_are_read():
    two, all_of_them = (
        fitted(image_score="top_k_mean", top_patches=n).detect(TEST) for n in (2, 24)
    )
    highest = np.sort(two.patch_scores.reshape(3, -1))[:, -2:]
    np.testing.assert_allclose(two.image_scores, highest.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(
        all_of_them.image_scores, two.patch_scores.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5
    )


def test_alpha_is_fitted_where_it_is_asked_for():
    many = random_source(40, seed=2)
    detector = MemoryBankDetector.fit(many, scoring=ScoringSettings(alpha="auto"))
    assert detector.alpha >= 0
    assert detector.alpha_error >= 0
    assert detector.with_scoring(ScoringSettings(alpha=1)).alpha_error is None
    assert fitted(alpha=0.25).alpha_error is None
    assert fitted(alpha=0.25).alpha == 0.25
    assert fitted(scorer="nearest", alpha="auto").alpha == 0  # which uses none
    detector = fitted()
    with pytest.raises(InputError, match="alpha = auto is fitted on good images that are compared"):
        MemoryBankDetector.of(detector.bank, detector.density, ScoringSettings(alpha="auto"))


def test_k_beyond_the_density_is_refused_when_it_is_made():
    detector = fitted(n_neighbors=2, max_neighbors=3)
    with pytest.raises(InputError, match="n_neighbors = 5 but neighbours were searched up to 3"):
        detector.with_scoring(ScoringSettings())
    with pytest.raises(InputError, match="n_neighbors = 5 but neighbours were searched up to 3"):
        MemoryBankDetector.of(detector.bank, detector.density, ScoringSettings())


def test_other_settings_than_it_was_fitted_with_are_refused():
    detector = fitted(alpha=0.5)
    detector.check_settings(ScoringSettings(alpha=0.5), image_size=256)
    with pytest.raises(
        InputError,
        match=r"scoring.alpha = 0.5, not 1.0: run from the category's node ldknn_density.fit_detector",
    ):
        detector.check_settings(ScoringSettings(), image_size=256)


@pytest.mark.parametrize("distance", ["euclidean", "mahalanobis"])
def test_it_is_stored_and_scores_the_same(distance):
    detector = fitted({"distance": distance, "coreset_ratio": 0.5}, n_neighbors=3, alpha=0.7)
    file = io.BytesIO()
    write_record(detector, file)
    again = read_record(MemoryBankDetector, file, is_local=False)
    assert (again.scoring, again.alpha) == (detector.scoring, detector.alpha)
    assert again.bank.image_ids == GOOD.image_ids
    scores, expected = again.detect(TEST), detector.detect(TEST)
    np.testing.assert_array_equal(scores.patch_scores, expected.patch_scores)
    np.testing.assert_array_equal(scores.image_scores, expected.image_scores)


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_from_a_folder_of_images_to_scores(tmp_path, suffix):
    """In a notebook, without Kedro."""
    for kind, seeds in (("good", range(6)), ("new", (100, 101))):
        (tmp_path / kind).mkdir()
        for seed in seeds:
            image = draw_part(seed, "dark_spot" if seed == 101 else "good")[0]
            path = tmp_path / kind / f"{seed:03}{suffix}"
            np.save(path, image) if suffix == ".npy" else Image.fromarray(image).save(path)

    encoder = Encoder.initial(FeatureSettings(image_size=64))
    good = ImageFeatures.of_folder(str(tmp_path / "good"), encoder)
    new = ImageFeatures.of_folder(str(tmp_path / "new"), encoder)
    detector = MemoryBankDetector.fit(good)
    scores = detector.detect(new)

    assert scores.image_ids == [f"100{suffix}", f"101{suffix}"]
    assert scores.image_scores[1] > scores.image_scores[0]
    assert scores.patch_scores.shape == (2, 8, 8)

    other_size = ImageFeatures.of_folder(
        str(tmp_path / "new"), Encoder.initial(FeatureSettings(image_size=128))
    )
    with pytest.raises(InputError, match="made with image_size = 64, not 128"):
        detector.detect(other_size)


def test_a_scorer_that_needs_more_neighbours_than_were_kept_is_refused_before_it_is_stored():
    detector = fitted()
    held_out = detector.search(TEST.patches())  # one neighbour, all that LDKNN needs
    knn = ScoringSettings(scorer="knn", n_neighbors=3)
    with pytest.raises(InputError, match="needs as many neighbours of every patch but 1 were kept"):
        MemoryBankDetector.of(detector.bank, detector.density, knn, held_out)


@pytest.mark.parametrize("alpha", ["a lot", None, True, [1.0], float("nan")])
def test_an_alpha_that_is_no_number_is_refused(alpha):
    detector = fitted()
    with pytest.raises(InputError, match=r"alpha = .* is not a finite number: run the pipeline"):
        replace(detector, alpha=alpha)


@pytest.mark.parametrize("shape", [slice(0, -1), (slice(None), 0)], ids=["fewer rows", "1-D"])
def test_a_density_without_the_rows_of_the_coreset_is_refused_when_read(shape):
    detector = fitted(scorer="nearest")
    squared = detector.density.squared_distances
    object.__setattr__(detector.density, "squared_distances", squared[shape])
    file = io.BytesIO()
    write_record(detector, file)
    with pytest.raises(InputError, match=r"has the shape \[.*the coreset has 144 rows: run the"):
        read_record(MemoryBankDetector, file, is_local=False)


def own_patches(bank, n, coreset_ratio=1.0):
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=coreset_ratio))
    return coreset, search_own_images(bank, coreset, bank.image_ids[:n])


def test_scores_by_position_need_patches_that_were_searched_in_this_coreset():
    many = random_source(20, seed=0)
    bank = collect_patches(many.patches(), 20, extractor={})
    coreset, own = own_patches(bank, 20)
    _, of_another = own_patches(bank, 20, coreset_ratio=0.5)
    _, nothing = own_patches(bank, 0)
    density = measure_local_density(bank, coreset, 15)
    scoring = ScoringSettings(normalization="position")
    assert MemoryBankDetector.of(coreset.of(bank), density, scoring, own).good_scores
    with pytest.raises(InputError, match="coreset"):
        MemoryBankDetector.of(coreset.of(bank), density, scoring, of_another)
    with pytest.raises(InputError, match="were not compared with the others"):
        MemoryBankDetector.of(coreset.of(bank), density, scoring, nothing)


def test_a_detector_of_before_zones_is_read():
    detector, file, former = fitted(), io.BytesIO(), io.BytesIO()
    write_record(detector, file)
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        members = dict(stored)
    values = json.loads(members["metadata"].item())
    del values["zones"], values["scoring"]["zones"]
    members["metadata"] = np.array(json.dumps(values | {"format": 3}))
    np.savez(former, **members)
    again = read_record(MemoryBankDetector, former, is_local=False)
    assert again.zones is None
    assert again.fingerprint == detector.fingerprint
