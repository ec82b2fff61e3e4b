import numpy as np
import pytest

from reb_pipeline.calibration.costs import Prices, cost_curve, expected_cost
from reb_pipeline.figures.costs import cost_figure


def test_the_cheapest_thresholds_are_the_lowest_point_of_their_curve():
    good, defective, prices = np.arange(40.0), np.arange(20.0, 80.0), Prices(1, 9, 0.1, 0.2)
    curve = cost_curve(good, defective, prices)
    cost = expected_cost(good, defective, prices, cost_curve(good, defective, prices).cheapest)
    figure = cost_figure({"two thresholds": curve}, {"cheapest": cost}, "Costs")
    line, point = figure.data
    assert min(line.y) == pytest.approx(point.y[0])
    assert line.x[int(np.argmin(line.y))] == pytest.approx(point.x[0])
    assert point.error_y.array[0] == pytest.approx(cost.high - cost.expected)
    assert point.name.startswith("cheapest: ")
