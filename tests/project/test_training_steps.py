"""Lines that a training prints after its steps."""

from types import SimpleNamespace

import pytest

from reb_pipeline.project.training import Steps


@pytest.mark.parametrize(
    ("names", "not_tuned", "line"),
    [
        (set(), set(), "network fine-tuned"),
        (set(), {"bolt"}, "network kept as it is"),
        ({"bolt", "nut"}, {"bolt"}, "bolt: network kept as it is"),
        ({"bolt", "nut"}, {"nut"}, "bolt: network fine-tuned"),
    ],
)
def test_a_network_that_is_not_fine_tuned_is_not_called_so(names, not_tuned, line):
    said = []
    node = SimpleNamespace(namespace="bolt.ssl_finetune")
    steps = Steps([node], said.append, names, not_tuned)
    steps.before_node_run()
    steps.after_node_run(node)
    assert said == [f"  {line:<26} 0:00"]
