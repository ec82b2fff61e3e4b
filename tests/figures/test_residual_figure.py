import numpy as np
import pandas as pd
import pytest

from reb_pipeline.figures.examples import Example
from reb_pipeline.figures.residuals import residual_maps_of, residuals_figure
from reb_pipeline.reconstruction.residual_maps import ResidualMaps
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

IDS = ["a", "b", "c", "d"]
LEVELS = np.random.default_rng(0).uniform(0.5, 3, (4, 3, 8, 8)).astype(np.float32)
SCORES = pd.DataFrame({
    "id": IDS,
    "path": IDS,
    "mask_paths": ["[]", "[]", '["mask"]', "[]"],
    "image_score": [1.0, 2.0, 3.0, 4.0],
    "label": [0, 0, 1, 1],
    "defect_type": ["good", "good", "scratch", "hole"],
})  # fmt: skip
MASK = np.arange(240).reshape(12, 20) < 50


class Images:
    def open_image(self, path):
        return np.full((12, 20, 3), 90, np.uint8)

    def open_mask(self, mask_paths):
        return MASK


def shown(axis):
    return np.asarray(axis.images[0].get_array())


def test_every_level_and_the_fused_map_of_the_hardest_images():
    maps = AnomalyMaps(LEVELS.sum(axis=1), IDS, 16, 4.0)
    figure = residual_maps_of(SCORES, ResidualMaps(LEVELS, IDS, ""), maps, Images(), 1, "Residuals")
    assert figure.get_suptitle() == "Residuals"
    axes = np.array(figure.axes[: 3 * 6]).reshape(3, 6)
    assert len(figure.axes) == 3 * 6 + 2  # two scales
    assert [axis.texts[-1].get_text() for axis in axes[0]] == [
        "image", "truth", "φ₁ (finest)", "φ₂", "φ₃ (deepest)", "anomaly map",
    ]  # fmt: skip
    titles = [row[0].texts[0].get_text() for row in axes]
    assert titles == [
        "b · highest good · good · score 2",
        "c · lowest anomalous · scratch · score 3",
        "d · highest anomalous · hole · score 4",
    ]
    good, masked, unmasked = axes[:, 1]
    assert not shown(good).any()
    np.testing.assert_array_equal(shown(masked), MASK)
    assert [text.get_text() for text in unmasked.texts] == ["no mask"]
    for row, index in zip(axes, (1, 2, 3), strict=True):
        for level in range(3):
            np.testing.assert_array_equal(shown(row[2 + level]), LEVELS[index, level])
            assert list(row[2 + level].images[0].get_extent()) == [0, 20, 12, 0]
        np.testing.assert_array_equal(shown(row[5]), maps.at(IDS[index], (12, 20)))


def test_colours_are_those_of_good_images():
    maps = AnomalyMaps(LEVELS.sum(axis=1), IDS, 16, 4.0)
    figure = residual_maps_of(SCORES, ResidualMaps(LEVELS, IDS, ""), maps, Images(), 1, "Residuals")
    for level in (2, 3, 4):
        low, high = figure.axes[level].images[0].get_clim()
        assert low == pytest.approx(np.median(LEVELS[:2]))
        assert high == pytest.approx(LEVELS[1:].max())  # the first image is not drawn
    low, high = figure.axes[5].images[0].get_clim()
    assert high == pytest.approx(max(maps.at(i, (12, 20)).max() for i in IDS[1:]))
    assert low < high


def test_a_single_level_and_no_good_image(tmp_path):
    levels = LEVELS[:, :1]
    scores = SCORES[SCORES["label"] == 1]
    maps = AnomalyMaps(levels[:, 0], IDS, 16, 4.0)
    figure = residual_maps_of(scores, ResidualMaps(levels, IDS, ""), maps, Images(), 1, "One level")
    assert [axis.texts[-1].get_text() for axis in figure.axes[:4]] == [
        "image", "truth", "φ₁", "anomaly map",
    ]  # fmt: skip
    figure.savefig(tmp_path / "a.png", dpi=50)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_without_a_marked_defect_there_is_no_column_of_truth():
    maps = AnomalyMaps(LEVELS.sum(axis=1), IDS, 16, 4.0)
    scores = SCORES.assign(mask_paths="[]")
    figure = residual_maps_of(scores, ResidualMaps(LEVELS, IDS, ""), maps, Images(), 1, "Residuals")
    assert [axis.texts[-1].get_text() for axis in figure.axes[:5]] == [
        "image", "φ₁ (finest)", "φ₂", "φ₃ (deepest)", "anomaly map",
    ]  # fmt: skip
    for level in range(3):
        np.testing.assert_array_equal(shown(figure.axes[1 + level]), LEVELS[1, level])


def test_nothing_to_show():
    with pytest.raises(ValueError, match="no examples"):
        residuals_figure([], [], "", (0.0, 1.0), (0.0, 1.0))
    alike = Example(np.zeros((4, 4, 3), np.uint8), None, np.ones((4, 4)), "all alike")
    assert residuals_figure([alike], [np.ones((1, 2, 2))], "", (1.0, 1.0), (1.0, 1.0)).axes
