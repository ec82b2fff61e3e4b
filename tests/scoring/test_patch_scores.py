import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.distance import cdist, pdist
from sklearn.neighbors import LocalOutlierFactor

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.scoring import detector as detectors
from reb_pipeline.scoring import patch_scores as scorers
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.ldknn import ldknn_scores
from reb_pipeline.scoring.patch_scores import SCORERS, patch_scores
from reb_pipeline.scoring.settings import ScoringSettings

K_MAX = 8
LDKNN = {"alpha": 0.7, "form": "subtract"}


def searched(rows, patches, depth=K_MAX, k_max=K_MAX):
    """A detector with all of a bank in another order as coreset, and what it found for the patches as two images."""
    bank = collect_patches([("a", np.float32(rows)[None])], n_images=1, extractor={})
    n_rows = len(bank.features)
    coreset = Coreset(np.random.default_rng(0).permutation(n_rows), n_rows)
    density = measure_local_density(bank, coreset, k_max)
    detector = MemoryBankDetector.of(coreset.of(bank), density, ScoringSettings(scorer="nearest"))
    grids = np.float32(patches).reshape(2, -1, 3, bank.features.shape[1])
    return detector, search_images(zip("bc", grids, strict=True), detector.bank, depth)


def random_search(seed, n_rows=30, **depths):
    rng = np.random.default_rng(seed)
    patches = rng.normal(size=(24, 5)) * rng.uniform(0.5, 3, (24, 1))
    return *searched(rng.normal(size=(n_rows, 5)), patches, **depths), np.float32(patches)


def score(detector, found, scorer, n_neighbors):
    settings = {"n_neighbors": n_neighbors, "max_neighbors": K_MAX, "form": LDKNN["form"]}
    scoring = ScoringSettings(scorer=scorer, alpha=LDKNN["alpha"], **settings)
    return patch_scores(found, detector.with_scoring(scoring))


def lof_of_scikit_learn(patches, rows, k):
    return -LocalOutlierFactor(n_neighbors=k, novelty=True).fit(rows).score_samples(patches)


def lof_reference_loop(patches, rows, k):
    """Every row finds itself first; lrd is one over the K-th distance that is left."""
    among, to_rows = (cdist(points, rows, "sqeuclidean") for points in (rows, patches))
    own = np.sort(among, axis=1)[:, :k][:, -1]
    scores = []
    for squared in to_rows:
        nearest = squared.argsort()[:k]
        scores.append(np.mean(1 / own[nearest]) / (1 / squared[nearest[-1]]))
    return scores


def ldof_loop(patches, rows, k):
    scores = []
    for distances in cdist(patches, rows):
        nearest = distances.argsort()[:k]
        scores.append(distances[nearest].mean() / pdist(rows[nearest]).mean())
    return scores


def sorted_distances(patches, rows):
    return np.sort(cdist(patches, rows, "sqeuclidean"), axis=1)


WRITTEN_OUT = {
    "nearest": lambda patches, rows, _: sorted_distances(patches, rows)[:, 0],
    "knn": lambda patches, rows, k: sorted_distances(patches, rows)[:, :k].mean(axis=1),
    "kth_nn": lambda patches, rows, k: sorted_distances(patches, rows)[:, k - 1],
    "lof": lof_of_scikit_learn,
    "lof_reference": lof_reference_loop,
    "ldof": ldof_loop,
}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(WRITTEN_OUT)))
def test_scorers_are_their_definitions(seed, scorer):
    detector, found, patches = random_search(seed)
    for k in range(SCORERS[scorer].min_neighbors, K_MAX + 1):
        scores = score(detector, found, scorer, k)
        assert (scores.shape, scores.dtype) == ((2, 4, 3), np.float32)
        expected = WRITTEN_OUT[scorer](patches, detector.features, k)
        np.testing.assert_allclose(scores.ravel(), expected, rtol=2e-4)


def test_every_scorer_but_ldknn_is_checked():
    assert set(SCORERS) == {*WRITTEN_OUT, "ldknn"}


@pytest.mark.parametrize("depth", [1, K_MAX])
def test_ldknn_reads_the_nearest_row(depth):
    detector, found, _ = random_search(0, depth=depth)
    expected = ldknn_scores(
        found.squared_distances[..., 0],
        found.rows[..., 0],
        detector.density,
        n_neighbors=3,
        **LDKNN,
    )
    scores = score(detector, found, "ldknn", 3)
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("scorer", ["lof", "lof_reference", "ldof"])
def test_blocks_change_nothing(scorer, monkeypatch):
    detector, found, _ = random_search(1)
    whole = score(detector, found, scorer, 4)
    monkeypatch.setattr(scorers, "VALUES_PER_BLOCK", 45)
    blocks = score(detector, found, scorer, 4)
    np.testing.assert_allclose(blocks, whole, rtol=1e-5)


@pytest.mark.parametrize("scorer", WRITTEN_OUT)
@pytest.mark.parametrize("copies", [12, 30])
def test_copies_in_the_bank_divide_nothing_by_zero(scorer, copies):
    """Twelve or all rows are one point, and the first patches lie on it."""
    rng = np.random.default_rng(0)
    rows, patches = rng.normal(size=(30, 5)), rng.normal(size=(24, 5))
    rows[:copies] = patches[:6] = rows[0]
    detector, found = searched(rows, patches)
    scores = score(detector, found, scorer, K_MAX).ravel()
    assert np.isfinite(scores).all()
    assert scores[6:].min() > scores[:6].max()


def test_lof_of_a_copy_among_copies_is_one():
    detector, found = searched(np.ones((20, 3)), np.ones((6, 3)))
    assert (score(detector, found, "lof", 4) == 1).all()


def test_rows_of_the_coreset_are_searched_once(monkeypatch):
    detector, found, _ = random_search(0)
    calls = []
    search = detectors.nearest_other_rows
    monkeypatch.setattr(
        detectors, "nearest_other_rows", lambda *given: calls.append(given) or search(*given)
    )
    for k in (2, 5, K_MAX):
        for scorer in ("lof", "lof_reference"):
            score(detector, found, scorer, k)
    assert len(calls) == 1


@pytest.mark.parametrize("scorer", SCORERS)
def test_search_is_as_deep_as_a_scorer_needs(scorer):
    depth = ScoringSettings(scorer=scorer, max_neighbors=K_MAX).search_depth
    assert depth == (1 if scorer in ("ldknn", "nearest") else K_MAX)
    detector, found, _ = random_search(0, depth=depth)
    score(detector, found, scorer, K_MAX)


@pytest.mark.parametrize("scorer", ["knn", "kth_nn", "lof", "lof_reference", "ldof"])
def test_k_beyond_what_was_kept(scorer):
    detector, found, _ = random_search(0, depth=3)
    with pytest.raises(
        InputError, match=rf"{scorer} with .*n_neighbors = 4 .* 3 were kept: run the pipelines"
    ):
        score(detector, found, scorer, 4)


@pytest.mark.parametrize("scorer", ["lof_reference", "ldof"])
def test_k_too_small(scorer):
    with pytest.raises(ValidationError, match=rf"scorer = {scorer} needs n_neighbors of at least"):
        ScoringSettings(scorer=scorer, n_neighbors=1)


def test_lof_needs_other_rows():
    detector, found, _ = random_search(0, n_rows=4, depth=4, k_max=2)
    score(detector, found, "lof", 3)
    with pytest.raises(InputError, match="needs 4 others but the coreset has 4 rows: lower"):
        score(detector, found, "lof", 4)


def test_parts_of_another_coreset_are_refused():
    (one, found, _), (other, _, _) = (random_search(seed) for seed in (0, 1))
    with pytest.raises(InputError, match="density is that of another coreset"):
        MemoryBankDetector(one.bank, other.density, one.scoring, 0.0)
    with pytest.raises(InputError, match="density is that of another coreset than was searched"):
        other.score(found)


def test_unknown_scorer():
    with pytest.raises(ValidationError, match=r"Input should be 'ldknn', 'nearest', .* or 'ldof'"):
        ScoringSettings(scorer="kthnn")
