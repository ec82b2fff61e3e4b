import os
import signal
from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from reb_pipeline.finetuning import task as task_module
from reb_pipeline.finetuning.task import CachedImages, augment
from tiny_finetuning import KINDS, SIDE, make_donors, make_task

COUNT = 5
METHODS = [None, *Image.Transpose]
# What the reference code draws one of.
DRAWN = [m for m in METHODS if m != Image.Transpose.FLIP_TOP_BOTTOM]
DRAWN += [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.TRANSVERSE]


def transposed(image, method):
    return np.asarray(Image.fromarray(image).transpose(method)) if method is not None else image


@pytest.fixture
def donors():
    return make_donors(COUNT)


@pytest.fixture
def task(tmp_path, donors):
    return make_task(tmp_path, donors)


@pytest.fixture
def no_jitter(monkeypatch):
    monkeypatch.setattr(task_module, "color_jitter", lambda _rng, image: image)


def test_cached_images_are_the_images(tmp_path, donors):
    pixels, saliency = CachedImages.write(tmp_path, iter(donors), COUNT, SIDE).open()
    np.testing.assert_array_equal(pixels, [donor.image for donor in donors])
    np.testing.assert_array_equal(saliency, [donor.saliency for donor in donors])
    assert (pixels.dtype, saliency.dtype) == (np.uint8, bool)


def test_an_item_is_a_good_image_and_a_defect_of_every_kind(task):
    for position in range(2 * COUNT):
        item = task[position]
        assert (item.shape, item.dtype) == ((1 + len(KINDS), SIDE, SIDE, 3), np.uint8)
        changed = (item[1:] != item[0]).any(axis=3).mean(axis=(1, 2))
        assert (changed > 0.001).all()
        assert (changed < 0.5).all()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("cores", [1, 4])
def test_items_are_the_same_in_any_order_and_process(task, monkeypatch, cores):
    items = {position: task[position] for position in reversed(range(12))}
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    for start, stop in ((0, 12), (6, 12)):
        passes = list(task.passes(start, stop, 3))
        assert [len(batch) for batch in passes] == [3 * (1 + len(KINDS))] * ((stop - start) // 3)
        expected = np.concatenate([items[position] for position in range(start, stop)])
        assert torch.cat(passes).numpy().tobytes() == expected.tobytes()
    assert len({item.tobytes() for item in items.values()}) == 12


def test_nothing_left_is_no_pass(task):
    assert list(task.passes(6, 6, 3)) == []


def test_another_seed_draws_other_items(tmp_path, donors, task):
    (tmp_path / "other").mkdir()
    other = make_task(tmp_path / "other", donors, seed=1)
    assert all((task[i] != other[i]).any(axis=(1, 2, 3)).all() for i in range(COUNT))


@pytest.mark.usefixtures("no_jitter")
def test_an_epoch_visits_every_image_once(task, donors):
    of_image = {
        transposed(donor.image, method).tobytes(): index
        for index, donor in enumerate(donors)
        for method in METHODS
    }
    epochs = [
        [of_image[task[position][0].tobytes()] for position in range(start, start + COUNT)]
        for start in range(0, 4 * COUNT, COUNT)
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(COUNT))] * 4
    assert len(set(map(tuple, epochs))) > 1  # each in an order of its own


@pytest.mark.usefixtures("no_jitter")
def test_donors_are_turned_and_flipped_too(task, donors, monkeypatch):
    def show_donor(maker_donors, _textures):
        return SimpleNamespace(make=lambda *_: SimpleNamespace(image=maker_donors[3].image))

    monkeypatch.setattr(task_module, "DefectMaker", show_donor)
    seen = {task[position][1].tobytes() for position in range(30)}
    assert seen <= {transposed(donors[3].image, method).tobytes() for method in DRAWN}
    assert len(seen) > 3


@pytest.mark.usefixtures("no_jitter")
def test_turns_and_flips_are_the_reference_s(donors):
    donor = donors[0]
    draws = [SimpleNamespace(integers=lambda n, i=i: range(n)[i]) for i in range(9)]
    found = [augment(draw, donor.image, donor.saliency) for draw in draws]
    expected = Counter(transposed(donor.image, method).tobytes() for method in DRAWN)
    assert Counter(image.tobytes() for image, _ in found) == expected
    for image, saliency in found:
        (method,) = {m for m in METHODS if (transposed(donor.image, m) == image).all()}
        np.testing.assert_array_equal(saliency, transposed(donor.saliency, method))
        assert image.flags.c_contiguous
        assert saliency.flags.c_contiguous


def test_colours_are_jittered_and_transposes_equally_likely():
    rng = np.random.default_rng(0)
    marker = np.zeros((16, 16), np.uint8)
    marker[:8, :4] = 1
    image = np.where(marker[..., None] == 1, (200, 90, 40), (60, 120, 150)).astype(np.uint8)
    before = image.copy()
    images, maps = zip(*(augment(rng, image, marker) for _ in range(900)), strict=True)
    np.testing.assert_array_equal(image, before)
    assert len({colours.tobytes() for colours in images}) > 800
    counts = Counter(saliency.tobytes() for saliency in maps)
    likely = Counter(transposed(marker, method).tobytes() for method in DRAWN)
    assert counts.keys() == likely.keys()
    assert all(abs(counts[key] - 100 * times) < 45 for key, times in likely.items())


def test_workers_start_where_opencv_has_run_on_several_threads(task, monkeypatch):
    """A forked worker has none of the threads that it would wait for."""

    def blur(_rng, image):  # so large that OpenCV shares it out
        cv2.GaussianBlur(np.zeros((1000, 1000, 3), np.uint8), (0, 0), 5)
        return image

    def too_long(*_):
        raise TimeoutError

    monkeypatch.setattr(task_module, "color_jitter", blur)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    blur(None, None)
    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    try:
        (batch,) = task.passes(0, 2, 2)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        cv2.setNumThreads(threads)
    assert batch.numpy().tobytes() == np.concatenate([task[0], task[1]]).tobytes()


def test_batches_need_no_shared_memory(task, monkeypatch):
    """Containers have 64 MB of it; a worker that lacks it waits for ever."""

    def fail(*_):
        raise AssertionError

    for name in ("rebuild_storage_fd", "rebuild_storage_filename"):
        monkeypatch.setattr(f"torch.multiprocessing.reductions.{name}", fail)
    (batch,) = task.passes(0, 2, 2)
    assert batch.numpy().tobytes() == np.concatenate([task[0], task[1]]).tobytes()
