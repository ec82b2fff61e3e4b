import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from reb_pipeline.metrics.image import IMAGE_METRICS, image_metrics, recall_at

scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-6, 6)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def test_known_values():
    # One good image outranks one of the two anomalous ones: 3 of 4 pairs in order.
    metrics = image_metrics([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    assert metrics["image_auroc"] == pytest.approx(0.75)
    assert metrics["image_ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["image_f1_max"] == pytest.approx(0.8)
    assert {type(value) for value in metrics.values()} == {float}


@settings(max_examples=50, deadline=None)
@given(scored)
def test_agrees_with_scikit_learn_and_every_threshold(rows):
    labels, scores = map(np.array, zip(*rows, strict=True))
    metrics = image_metrics(labels, scores)
    assert metrics["image_auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert metrics["image_ap"] == pytest.approx(average_precision_score(labels, scores))
    best = max(f1_score(labels, scores >= threshold) for threshold in np.unique(scores))
    assert metrics["image_f1_max"] == pytest.approx(best)


@settings(max_examples=50, deadline=None)
@given(scored)
def test_depends_on_the_order_of_scores_only(rows):
    labels, scores = map(np.array, zip(*rows, strict=True))
    assert image_metrics(labels, np.exp(scores / 2.0)) == image_metrics(labels, scores)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_none(label):
    assert image_metrics([label] * 3, [1, 2, 3]) == dict.fromkeys(IMAGE_METRICS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_names_a_score_that_is_not_finite(value):
    with pytest.raises(ValueError, match=f"position 1 is {value}"):
        image_metrics([0, 1], [0.0, value])


def test_refuses_unequal_lengths():
    with pytest.raises(ValueError, match=r"\(2,\) and scores \(3,\)"):
        image_metrics([0, 1], [0.0, 1.0, 2.0])


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=60),
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
    st.sampled_from([0.0, 0.05, 0.29, 0.5]),
)
def test_recall_is_the_highest_within_the_rate_of_false_alarms(good, anomalous, rate):
    labels, scores = [0] * len(good) + [1] * len(anomalous), [*good, *anomalous]
    recalls = [
        np.mean(np.array(anomalous) > threshold)
        for threshold in range(-1, 10)
        if np.sum(np.array(good) > threshold) <= rate * len(good) + 1e-9
    ]
    assert recall_at(rate, labels, scores) == max(recalls)
    assert recall_at(rate, [1] * len(scores), scores) is None
