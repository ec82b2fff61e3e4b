import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from fake_source import random_source
from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.spade import SpadeDetector


@pytest.mark.parametrize("n_images", [1, 4, 50])
@pytest.mark.parametrize("n_patches", [1, 3])
def test_compares_with_the_most_similar_images_only(n_images, n_patches):
    good, test = random_source(9, seed=0), random_source(3, seed=1)
    detector = SpadeDetector(n_images=n_images, n_patches=n_patches)
    detector.fit(good)
    found = detector.detect(test)
    search = NearestNeighbors(n_neighbors=min(n_images, 9)).fit(good.pooled())
    distances, galleries = search.kneighbors(test.pooled())
    np.testing.assert_allclose(found.image_scores, distances.mean(axis=1), rtol=1e-5)
    assert found.image_scores.dtype == found.patch_scores.dtype == np.float32
    for image, gallery in enumerate(galleries):
        to_patches = cdist(test.fused()[image].reshape(24, 8), good.fused()[gallery].reshape(-1, 8))
        expected = np.sort(to_patches, axis=1)[:, :n_patches].mean(axis=1).reshape(4, 6)
        np.testing.assert_allclose(found.patch_scores[image], expected, rtol=1e-4)


def test_good_images_are_needed():
    with pytest.raises(InputError, match="no good training image"):
        SpadeDetector().fit(random_source(0))
