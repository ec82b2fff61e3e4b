"""Zones are checked before a run: their place, the good images, and the pipelines that know none."""

from types import SimpleNamespace

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.project.zone_checks import check_zones
from reb_pipeline.scoring.settings import ScoringSettings

LABEL = [[(0.5, 0), (1, 0), (1, 1), (0.5, 1)]]
LEFT = [[(0, 0), (0.4, 0), (0.4, 1), (0, 1)]]


def check(step="ldknn_density", zones=None, region=None, n_good=20):
    """Check a run of one step with a number of good training images."""
    values = {
        "params:screw.scoring": ScoringSettings(zones=zones or {"label": LABEL}).model_dump(),
        "params:screw.features": FeatureSettings(region=region).model_dump(),
    }
    catalog = {
        name: SimpleNamespace(load=lambda value=value: value) for name, value in values.items()
    }
    samples = [SimpleNamespace(split="train", label=0)] * n_good
    samples += [SimpleNamespace(split="test", label=n % 2) for n in range(40)]
    nodes = [SimpleNamespace(namespace=one) for one in ("screw.ingestion", f"screw.{step}", None)]
    pipeline = SimpleNamespace(nodes=nodes, all_outputs=lambda: {"screw.inventory"})
    check_zones(pipeline, catalog, lambda _: samples)


def test_zones_in_the_region_are_used():
    check()
    check(region="found")
    check(region=[[(0, 0), (1, 0), (1, 1)]])
    check(zones={"part": [*LABEL, *LEFT], "label": LABEL})


@pytest.mark.parametrize(
    "step", ["studies", "selection", "hybrid", "pixel_reconstruction", "detection"]
)
def test_pipelines_with_one_threshold_take_no_zones(step):
    with pytest.raises(InputError, match=f"pipeline {step} has one threshold .* of screw to null"):
        check(step)


def test_a_zone_without_a_place_of_its_own_is_refused():
    with pytest.raises(InputError, match=r"scoring\.zones\.label has no patch"):
        check(region=LEFT)
    with pytest.raises(InputError, match=r"scoring\.zones\.whole has no patch"):
        check(zones={"whole": [*LABEL, *LEFT], "label": LABEL, "left": LEFT})


def test_too_few_good_images_are_refused_before_the_training():
    with pytest.raises(InputError, match=r"needs 20 good training images .* there are 19"):
        check(n_good=19)
