"""Facts by flat names, for trackers."""

from reb_pipeline.tracking.comparison import Result
from reb_pipeline.tracking.flat import flat_facts
from reb_pipeline.tracking.lineage import Facts


def test_facts_of_all_results_of_a_run():
    facts = Facts({"scoring.alpha": "0.5"}, {"images.train": "9"}, {"commit": "c1"}, {"numpy": "2"})
    other = Facts({"scoring.alpha": "1"}, {"images.train": "7"}, {"commit": "c1"}, {"numpy": "2"})
    flat = flat_facts([
        Result("r1", "a", "hybrid", {"image_auroc": 0.7}, facts, None),
        Result("r1", "a", "memory_bank", {"image_auroc": 0.8}, facts, None),
        Result("r1", "b", "memory_bank", {"image_auroc": 0.9}, other, None),
    ])  # fmt: skip
    assert flat.parameters == {
        "a.scoring.alpha": "0.5", "a.images.train": "9", "b.scoring.alpha": "1", "b.images.train": "7",
    }  # fmt: skip
    assert flat.metrics == {"a.hybrid.image_auroc": 0.7, "a.image_auroc": 0.8, "b.image_auroc": 0.9}
    assert flat.tags == {"commit": "c1", "numpy": "2"}
    assert flat_facts([]).parameters == {}
