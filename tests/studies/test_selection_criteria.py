"""Criteria of the choice without labels, and the ranks that follow from them."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from plain_configuration import configuration
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.studies.selection import CRITERIA, as_parameters, criteria, make_faint, mean_ranks

CONF = Path(__file__).parents[2] / "conf"
SCORES = arrays(np.float32, st.integers(2, 12), elements=st.integers(0, 6).map(float))
IMAGES = arrays(np.uint8, (2, 3, 3))


@given(IMAGES, IMAGES)
def test_a_faint_defect_has_12_percent_of_the_difference(defective, good):
    faint = make_faint(defective, good)
    assert faint.dtype == np.uint8
    expected = good.astype(float) + 0.12 * (defective.astype(float) - good)
    assert np.abs(faint - expected).max() <= 0.5 + 1e-3
    assert (faint[defective == good] == good[defective == good]).all()


@given(SCORES, SCORES, SCORES)
def test_criteria_against_loops(good, plain, faint):
    found = criteria(good, plain, faint)
    limit = np.quantile(good, 0.95)
    assert found["detection_rate"] == pytest.approx(sum(s > limit for s in plain) / len(plain))
    spread = np.sqrt((good.astype(float).var() + plain.astype(float).var()) / 2)
    gap = plain.astype(float).mean() - good.astype(float).mean()
    expected = gap / spread if spread > 0 else 0.0
    assert found["separation"] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    labels = [0] * len(good) + [1] * len(faint)
    assert found["faint_auroc"] == pytest.approx(roc_auc_score(labels, [*good, *faint]))
    assert set(found) == set(CRITERIA)


TABLES = st.lists(
    st.fixed_dictionaries({name: st.integers(-3, 3).map(float) for name in CRITERIA}),
    min_size=1,
    max_size=6,
)


@given(TABLES)
def test_mean_ranks_count_those_below(found):
    def rank(value, others):
        return sum(o < value for o in others) + (sum(o == value for o in others) - 1) / 2

    expected = [
        np.mean([rank(each[name], [other[name] for other in found]) for name in CRITERIA])
        / max(1, len(found) - 1)
        for each in found
    ]
    np.testing.assert_allclose(mean_ranks(found), expected, atol=1e-12)


@given(TABLES, st.sampled_from(CRITERIA))
def test_mean_ranks_see_no_scale(found, name):
    stretched = [each | {name: np.exp(each[name]) * 100} for each in found]
    np.testing.assert_array_equal(mean_ranks(stretched), mean_ranks(found))


def test_the_best_has_one_and_the_only_one_zero():
    worst, best = (dict.fromkeys(CRITERIA, value) for value in (0.2, 0.4))
    assert mean_ranks([worst, best]).tolist() == [0, 1]
    assert mean_ranks([best]).tolist() == [0]


def candidates_of(category, chosen, *others):
    configurations = [*others, chosen]
    return pd.DataFrame(
        [
            {**each.settings(), "alpha": str(each.alpha), "category": category}
            for each in configurations
        ]
    ).assign(chosen=[*([False] * len(others)), True])


def parameters_of(conf):
    return ProjectConfigLoader(str(conf), env="elpv", **LOADER_ARGS)["parameters"]


@pytest.mark.parametrize(
    ("chosen", "sections"),
    [
        (
            configuration(
                detector="feature_reconstruction", feature_loss="squared", fusion="product"
            ),
            {"feature_reconstruction": {"loss": "squared", "fusion": "product"}},
        ),
        (
            configuration(detector="skip_autoencoder", pixel_loss="ssim", image_size=128),
            {"pixel_reconstruction": {"loss": "ssim"}, "features": {"image_size": 128}},
        ),
        (
            configuration(detector="hybrid", fusion="product", n_neighbors=7),
            {
                "feature_reconstruction": {"fusion": "product"},
                "scoring": {"scorer": "ldknn", "n_neighbors": 7},
            },
        ),
    ],
)
def test_a_reconstruction_becomes_its_own_section(tmp_path, chosen, sections):
    conf = copytree(CONF, tmp_path / "conf")
    usual = parameters_of(conf)
    selected = as_parameters(candidates_of("poly", chosen, configuration(n_neighbors=1)))
    (conf / "elpv/parameters_selected.yml").write_text(yaml.safe_dump(selected))

    found = parameters_of(conf)

    for section, values in sections.items():
        assert values.items() <= found["poly"][section].items()
    if chosen.detector != "hybrid":
        assert "memory_bank" not in selected
        assert found["poly"]["scoring"]["scorer"] == usual["poly"]["scoring"]["scorer"]


@pytest.mark.parametrize(
    "chosen",
    [
        configuration(
            n_neighbors=25, alpha="auto", image_score="top_k_mean"
        ),  # above scoring.max_neighbors
        configuration(
            representation="defectmaker", alpha=0.5, coreset_ratio=0.1, distance="cosine"
        ),
        configuration(detector="nearest", n_neighbors=2, image_score="reweighted", image_size=128),
    ],
)
def test_an_environment_takes_the_choice_over(tmp_path, chosen):
    conf = copytree(CONF, tmp_path / "conf")
    usual = parameters_of(conf)
    selected = as_parameters(candidates_of("poly", chosen, configuration(n_neighbors=1)))
    (conf / "elpv/parameters_selected.yml").write_text(yaml.safe_dump(selected))

    found = parameters_of(conf)

    assert found["poly"]["scoring"]["scorer"] == chosen.detector
    for section, names in (
        ("scoring", ["n_neighbors", "alpha", "form", "image_score"]),
        ("memory_bank", ["distance", "coreset_ratio"]),
        ("features", ["image_size"]),
    ):
        for name in names:
            assert found["poly"][section][name] == getattr(chosen, name)
    assert found["poly"]["ssl_finetune"]["enabled"] == (chosen.representation != "imagenet")
    assert found["mono"] == usual["mono"]
