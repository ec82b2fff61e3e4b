"""Suspects among the good images of a memory bank, compared with plain loops."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies
from scipy.stats import norm

from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.suspects import FEWEST, LEVEL, rank_suspects, statement
from reb_pipeline.pipelines.memory_bank import nodes

CHANNELS = 6


def learnt(grids, ratio=0.2):
    bank = collect_patches(
        [(f"good/{n:03}", grid) for n, grid in enumerate(grids)], len(grids), extractor={}
    )
    return bank, select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio))


def good_images(n, seed=0, side=8):
    return np.random.default_rng(seed).random((n, side, side, CHANNELS), np.float32)


def with_defect(grid, size=3):
    grid = grid.copy()
    grid[2 : 2 + size, 1 : 1 + size] += 2
    return grid


def plain_scores(bank, coreset):
    """The definition: distances of an image's rows to the rows of all others, the largest hundredth averaged."""
    n_top = max(1, round(0.01 * len(bank.features) / len(bank.image_ids)))
    scores = []
    for image in range(len(bank.image_ids)):
        own = [row for row in coreset.rows if bank.image[row] == image]
        others = [row for row in coreset.rows if bank.image[row] != image]
        distances = [
            min(float(((bank.features[a] - bank.features[b]) ** 2).sum()) for b in others)
            for a in own
        ]
        scores.append(sum(sorted(distances)[-n_top:]) / n_top)
    return np.array(scores)


@pytest.mark.parametrize(("side", "ratio"), [(5, 0.3), (14, 0.1), (5, 1.0)])
def test_scores_and_p_values_are_those_of_a_plain_loop(side, ratio):
    bank, coreset = learnt(good_images(FEWEST, side=side), ratio)
    found = rank_suspects(bank, coreset)
    expected = pd.Series(plain_scores(bank, coreset), bank.image_ids)
    np.testing.assert_allclose(found["score"], expected[found["image"]], rtol=1e-4)
    logs = np.log(expected[found["image"]].to_numpy())
    spread = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    np.testing.assert_allclose(
        found["p_value"], norm.sf((logs - np.median(logs)) / spread), rtol=1e-2, atol=1e-12
    )


def test_defective_images_among_good_ones_are_the_suspects():
    grids = good_images(60)
    for n in (7, 30):
        grids[n] = with_defect(grids[n])
    found = rank_suspects(*learnt(grids))
    assert set(found["image"][:2]) == {"good/007", "good/030"}
    assert set(found["leave_out"]) == {"no"}  # nobody has looked
    assert found["suspect"].tolist() == ["yes"] * 2 + ["no"] * 58
    assert statement(found) == "Suspects among 60 good images: 2"


def test_few_images_of_a_good_set_are_suspects():
    n_suspects = [
        (rank_suspects(*learnt(good_images(40, seed, side=6)))["suspect"] == "yes").sum()
        for seed in range(8)
    ]
    assert np.mean(n_suspects) <= 10 * LEVEL
    assert np.max(n_suspects) <= 2


def test_of_few_images_none_is_a_suspect_however_odd():
    grids = good_images(FEWEST - 1)
    grids[0] = with_defect(grids[0])
    found = rank_suspects(*learnt(grids))
    assert found["image"][0] == "good/000"
    assert set(found["suspect"]) == {"no"}
    assert set(found["p_value"]) == {1}
    assert statement(found) == f"Suspects among {FEWEST - 1} good images: 0"


@pytest.mark.parametrize("n", [1, 2, FEWEST])
def test_equal_images_are_no_suspects(n):
    found = rank_suspects(*learnt(np.ones((n, 3, 3, CHANNELS), np.float32), ratio=1.0))
    assert len(found) == n
    assert set(found["suspect"]) == {"no"}


@settings(deadline=None, max_examples=20)
@given(strategies.permutations(range(12)), strategies.floats(0.25, 4))
def test_neither_the_order_of_images_nor_the_unit_of_features_matters(order, unit):
    grids = good_images(12, side=4)
    grids[3] = with_defect(grids[3], size=2)
    bank, coreset = learnt(grids, ratio=1.0)
    shuffled = collect_patches(
        [(bank.image_ids[n], grids[n] * np.float32(unit)) for n in order], 12, extractor={}
    )
    other = rank_suspects(shuffled, select_coreset(shuffled, MemoryBankSettings(coreset_ratio=1)))
    before = rank_suspects(bank, coreset).set_index("image")
    after = other.set_index("image").loc[before.index]
    np.testing.assert_allclose(after["score"], before["score"] * unit**2, rtol=1e-3)
    assert after["suspect"].tolist() == before["suspect"].tolist()


def test_names_in_the_list_are_no_formulas_in_a_spreadsheet():
    names = ["=1+1", "+1", "-1", "@A1", "a=1"]
    grids = good_images(len(names), side=4)
    bank = collect_patches(zip(names, grids, strict=True), len(names), extractor={})
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=0.5))
    found = nodes.rank_suspects(bank, coreset, SimpleNamespace(processor=lambda: "cpu"), "part")
    assert set(found["image"]) == {"'=1+1", "'+1", "'-1", "'@A1", "a=1"}
