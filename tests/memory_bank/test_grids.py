import numpy as np
import pytest

from fake_source import FakeSource
from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector

GRIDS = np.random.default_rng(0).random((3, 6, 4, 3), np.float32)


def patched(value):
    grid = GRIDS[1].copy()
    grid[2, 3, 1] = value
    return grid


WRONG = {
    "transposed": (GRIDS[1].transpose(1, 0, 2), r"'b' have the shape \[4, 6, 3\], .*'a' have"),
    "one channel": (GRIDS[1][..., :1], r"'b' have the shape \[6, 4, 1\]"),
    "2-D": (GRIDS[1, 0], r"'b' are float32 \[4, 3\]: give float32 \[h, w, channels\]"),
    "no patches": (GRIDS[1][:0], r"'b' are float32 \[0, 4, 3\]"),
    "text": (GRIDS[1].astype(str), r"'b' are <U32 \[6, 4, 3\]"),
    "NaN": (patched(np.nan), "'b' are not all finite"),
    "infinite": (patched(-np.inf), "'b' are not all finite"),
    "beyond float32": (patched(1).astype(np.float64) * 1e300, "'b' are not all finite"),
}


def bank_of(ids="abc", grids=GRIDS, distance="euclidean", **given):
    settings = MemoryBankSettings(distance=distance)
    return collect_patches(zip(ids, grids, strict=True), 3, {}, settings, **given)


@pytest.mark.parametrize("first", [True, False], ids=["collected", "searched"])
@pytest.mark.parametrize(("grid", "fault"), WRONG.values(), ids=WRONG)
def test_grids_that_do_not_fit_are_refused(grid, fault, first):
    use = bank_of if first else lambda grids: search_images(zip("abc", grids, strict=True), bank)
    bank = bank_of()
    with pytest.raises(InputError, match=f"^Patch features of image {fault}"):
        use(grids=[GRIDS[0], grid, GRIDS[2]])


@pytest.mark.parametrize("distance", ["euclidean", "mahalanobis"])
def test_other_channels_than_the_bank_are_refused(distance):
    with pytest.raises(InputError, match="'a' have 2 channels, but the memory bank has 3: extract"):
        search_images([("a", GRIDS[0, ..., :2])], bank_of(distance=distance))


def test_an_id_that_comes_twice_is_refused():
    with pytest.raises(InputError, match=r"^Image id 'b' comes twice: give"):
        bank_of("abb")
    with pytest.raises(InputError, match=r"^Image id 'b' comes twice: give"):
        search_images(zip("bb", GRIDS, strict=False), bank_of())


def test_other_images_than_were_announced_are_refused():
    stream = list(zip("abc", GRIDS, strict=True))
    with pytest.raises(InputError, match="'c' comes after the 2 images that were announced: give"):
        collect_patches(stream, 2, {})
    with pytest.raises(InputError, match=r"^3 images came where 4 were announced: give"):
        collect_patches(stream, 4, {})
    source = FakeSource({"layer": GRIDS}, np.zeros((3, 1)), ["a", "b", "c"])
    source.patches = lambda: iter(stream[::-1])
    with pytest.raises(InputError, match=r"^Image 'c' came where 'a' was announced: let image_ids"):
        MemoryBankDetector.fit(source)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8])
def test_other_numbers_are_converted(dtype):
    grids = (GRIDS * 100).astype(dtype)
    bank, same = bank_of(grids=grids), bank_of(grids=grids.astype(np.float32))
    np.testing.assert_array_equal(bank.features, same.features)
    found, expected = (
        search_images([("a", grid)], same, 2) for grid in (grids[0], grids[0].astype(np.float32))
    )
    np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)
    np.testing.assert_array_equal(found.mean_features, expected.mean_features)
