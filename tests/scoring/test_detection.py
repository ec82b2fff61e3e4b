"""Scores of any detector are numbers, so that no part passes because its score is none."""

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.settings import ImageScoreSettings

IDS = ["good/0", "bad/1", "bad/2"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(value):
    image_scores = np.ones(3, np.float32)
    patch_scores = np.ones((3, 6, 6), np.float32)
    broken = image_scores.copy()
    broken[1] = value
    message = r"scores of image 'bad/1' are not all finite numbers"
    for patches in (None, patch_scores):
        with pytest.raises(InputError, match=message):
            Detection(IDS, broken, patches)
    patch_scores[1, 5, 0] = value
    with pytest.raises(InputError, match=message):
        Detection(IDS, image_scores, patch_scores)
    # An image score by counting would hide it: no patch score is above the threshold.
    settings = ImageScoreSettings(image_score="thresholded_area", area_threshold=2.0)
    with pytest.raises(InputError, match=message):
        Detection.of_patches(IDS, patch_scores, settings)


def test_no_images_have_no_scores():
    assert len(Detection([], np.empty(0, np.float32), None).image_scores) == 0
