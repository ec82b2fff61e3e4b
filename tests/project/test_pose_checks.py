"""Where images are aligned, no step sees them as they were taken."""

from types import SimpleNamespace

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.parameters.sections import IngestionParams
from reb_pipeline.project.pose_checks import check_pose


def check(pose, step="memory_bank", **features):
    values = {
        "params:screw.ingestion": IngestionParams(
            max_unreadable_share=0.0, leave_out=None, pose=pose
        ),
        "params:screw.features": FeatureSettings(**features),
    }
    catalog = {
        name: SimpleNamespace(load=lambda value=value: value) for name, value in values.items()
    }
    nodes = [SimpleNamespace(namespace=None), SimpleNamespace(namespace=f"screw.{step}")]
    check_pose(SimpleNamespace(nodes=nodes), catalog)


@pytest.mark.parametrize("step", ["studies", "selection"])
def test_what_opens_images_itself_takes_no_pose(step):
    check("as_taken", step)
    with pytest.raises(InputError, match=f"pipeline {step} sees images as they were taken"):
        check("shift", step)


def test_an_empty_field_belongs_to_images_as_they_were_taken():
    check("rigid")
    check("as_taken", empty_field="empty.png")
    with pytest.raises(InputError, match=r"pose = rigid moves them: set one of them back"):
        check("rigid", empty_field="empty.png")
