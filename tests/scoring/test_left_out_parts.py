"""All views of a part are left out together, and scored."""

import numpy as np
import pytest

from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.scoring.left_out import leave_out


def bank_of(n, hashes=()):
    patches = ((f"good/{n // 2:02}_{n % 2}", np.full((1, 1, 2), n, np.float32)) for n in range(n))
    bank = collect_patches(patches, n, {})
    bank.image_hashes[:] = hashes
    return bank


def parts_of(bank):
    return {image_id: image_id.partition("_")[0] for image_id in bank.image_ids}


@pytest.mark.parametrize("n_parts", [2, 5, 40])
def test_every_part_is_left_out_whole_and_once(n_parts):
    bank = bank_of(2 * n_parts)
    parts = parts_of(bank)
    scored = []
    for others, left_out in leave_out(bank, 1000, parts=parts):
        out = {parts[image_id] for image_id in left_out.image_ids}
        assert out.isdisjoint(parts[image_id] for image_id in others.image_ids)
        assert len(left_out.image_ids) == 2 * len(out)
        assert len(others.image_ids) + len(left_out.image_ids) == 2 * n_parts
        scored += left_out.image_ids
    assert sorted(scored) == bank.image_ids


def test_so_many_parts_are_enough():
    bank = bank_of(20)
    scored = [
        one
        for _, left_out in leave_out(bank, 3, parts=parts_of(bank))
        for one in left_out.image_ids
    ]
    assert len(scored) == 6


def test_parts_with_a_file_in_common_are_left_out_together_and_one_is_scored():
    bank = bank_of(8, ["a", "b", "c", "a", "e", "f", "g", "h"])  # 00 and 01 share a file
    parts = parts_of(bank)
    scored = []
    for others, left_out in leave_out(bank, 1000, parts=parts):
        rest = {parts[one] for one in others.image_ids}
        assert {"good/00", "good/01"} <= rest or rest.isdisjoint({"good/00", "good/01"})
        scored += left_out.image_ids
    assert sorted({parts[one] for one in scored}) == ["good/00", "good/02", "good/03"]


def test_one_part_alone_cannot_be_left_out():
    bank = bank_of(2)
    assert not [*leave_out(bank, 1000, parts=parts_of(bank))]
