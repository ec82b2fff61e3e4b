import numpy as np

from reb_pipeline.figures.curves import GOOD_COLOUR
from reb_pipeline.figures.density import density_figure, farthest_patches


def test_density_thins_each_sample_and_keeps_pairs():
    rng = np.random.default_rng(0)
    density = rng.gamma(4, 1, 5000)
    samples = [
        ("good patches", density, 2 * density, "good"),
        ("scratches", np.array([1.0, 20.0]), np.array([3.0, 50.0]), "anomalous"),
        ("dents", np.empty(0), np.empty(0), "anomalous"),
    ]
    figure = density_figure(samples, (0.5, 0.25), "Patches")
    good, scratches, dents, one, fitted = figure.data
    assert len(good.x) == len(set(good.x)) == 3000
    assert np.isin(good.x, density).all()
    assert np.array_equal(np.asarray(good.y), 2 * np.asarray(good.x))
    assert sorted(scratches.x) == [1, 20]
    assert len(dents.x) == 0
    assert good.marker.color == GOOD_COLOUR
    assert len({good.marker.color, scratches.marker.color, dents.marker.color}) == 3
    assert (list(one.x), list(one.y)) == ([0, 20], [0, 20])
    assert list(fitted.y) == [0.25, 10.25]
    assert fitted.name == "α = 0.50, fitted to good patches"
    again = density_figure(samples, (0.5, 0.25), "Patches")
    assert np.array_equal(again.data[0].x, good.x)


def test_too_few_good_patches_have_no_line_fitted():
    figure = density_figure([("good", np.empty(0), np.empty(0), "good")], None, "Patches")
    assert [trace.name for trace in figure.data] == ["good", "α = 1"]


def test_farthest_patches_keep_their_densities():
    rng = np.random.default_rng(0)
    distance = rng.permuted(np.tile(np.arange(9.0), (3, 1)), axis=1)
    density, chosen = farthest_patches(distance / 2, distance)
    assert sorted(chosen) == sorted([4, 5, 6, 7, 8] * 3)
    np.testing.assert_array_equal(density, chosen / 2)
    assert len(farthest_patches(distance[:, :2], distance[:, :2])[0]) == 6
    assert len(farthest_patches(distance[:0], distance[:0])[0]) == 0  # no anomalous image
