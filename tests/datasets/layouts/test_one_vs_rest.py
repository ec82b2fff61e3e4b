"""One class against the rest: what is drawn, how packed files are read, and what is said of broken ones."""

import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import miniatures
import packed_miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import UnreadableImageError
from reb_pipeline.images.inventory import audit, take_inventory

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FASHION = datasets.FashionMNISTDataset
SETS = [
    (datasets.MNISTDataset, packed_miniatures.make_mnist, "digit_0", 1),
    (FASHION, packed_miniatures.make_fashion_mnist, "t_shirt", 1),
    (datasets.CIFAR10Dataset, packed_miniatures.make_cifar10, "airplane", 2),
    (datasets.CIFAR10Dataset, packed_miniatures.make_cifar10_binary, "airplane", 2),
]


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    return packed_miniatures.make_fashion_mnist(tmp_path)


def write_sets(root: Path, train: list[int], test: list[int]) -> None:
    for prefix, labels in (("train", train), ("t10k", test)):
        images = np.zeros((len(labels), 2, 2), np.uint8)
        packed_miniatures.write_idx(root / f"{prefix}-images-idx3-ubyte", images)
        packed_miniatures.write_idx(
            root / f"{prefix}-labels-idx1-ubyte", np.array(labels, np.uint8)
        )


# What is drawn

LABELS = st.lists(st.integers(0, 9), max_size=60).map(lambda labels: [*range(10), *labels])


@settings(max_examples=30)
@given(
    train=LABELS,
    test=LABELS,
    max_train=st.none() | st.integers(1, 20),
    max_test=st.none() | st.integers(10, 80),
    calibration=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_draw(
    tmp_path_factory: pytest.TempPathFactory,
    train: list[int],
    test: list[int],
    max_train: int | None,
    max_test: int | None,
    calibration: float,
    seed: int,
) -> None:
    root = tmp_path_factory.mktemp("data")
    write_sets(root, train, test)
    share = len(test) if max_test is None else max_test // 10
    tested = set()
    for label, category in ((0, "t_shirt"), (9, "ankle_boot")):
        args = {"calibration": calibration, "seed": seed, "max_test": max_test}
        table = FASHION(path=root, category=category, max_train=max_train, **args).load().table
        again = FASHION(path=root, category=category, max_train=max_train, **args).load().table
        assert table.equals(again)

        learnt = table[table["split"] != "test"]
        at_most = len(train) if max_train is None else max_train
        assert len(learnt) == min(train.count(label), at_most)
        assert {train[int(path.split("/")[1])] for path in learnt["path"]} == {label}
        assert (learnt["split"] == "calibration").sum() == int(calibration * len(learnt))

        rest = table[table["split"] == "test"]
        drawn = [test[int(path.split("/")[1])] for path in rest["path"]]
        assert all(drawn.count(kind) == min(test.count(kind), share) for kind in range(10))
        assert (rest["label"] == [int(kind != label) for kind in drawn]).all()
        tested.add(tuple(sorted(rest["path"])))
    assert len(tested) == 1  # every category is tested on the same images


def test_fewer_images_are_some_of_more(tmp_path: Path) -> None:
    write_sets(tmp_path, [1] * 40, [*range(10)] * 12)
    drawn = [
        {
            sample.path
            for sample in FASHION(path=tmp_path, category="trouser", **most).load().samples
        }
        for most in ({"max_train": 5, "max_test": 20}, {"max_train": 9, "max_test": 47}, {})
    ]
    assert [len(paths) for paths in drawn] == [5 + 20, 9 + 40, 40 + 120]
    assert all(fewer < more for fewer, more in pairwise(drawn))
    other = FASHION(path=tmp_path, category="trouser", max_train=5, max_test=20, seed=1).load()
    assert {sample.path for sample in other.samples} != drawn[0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"calibration": 1.0}, "calibration=1.0 is not possible"),
        ({"calibration": -0.1}, "calibration=-0.1 is not possible"),
        ({"max_train": 0}, "max_train=0 is not possible: it must be at least 1"),
        ({"max_test": 9}, "max_test=9 is not possible: it must be at least 10"),
    ],
)
def test_impossible_draw(args: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FASHION(path="data", category="bag", **args)


# What is read


@pytest.mark.parametrize(("dataset", "make", "category", "every"), SETS)
def test_pixels_are_those_of_the_files(
    tmp_path: Path, dataset: Any, make: Callable, category: str, every: int
) -> None:
    collection = dataset(path=make(tmp_path), category=category).load()
    sets = {
        official: packed_miniatures.draw_classes(official, every) for official in ("train", "test")
    }
    for sample in collection.samples:
        official, index = sample.path.split("/")
        image, label = (values[int(index)] for values in sets[official])
        if dataset is not datasets.CIFAR10Dataset:
            image = np.repeat(image[..., :1], 3, axis=2)
        assert np.array_equal(collection.open_image(sample.path), image)
        assert sample.label == int(label > 0)


def test_inventory_finds_images_that_repeat(tmp_path: Path) -> None:
    write_sets(tmp_path, [0, 0], [*range(10)])
    images = FASHION(path=tmp_path, category="t_shirt", calibration=0.5).load()
    inventory = take_inventory(images, "images")
    assert (inventory["error"] == "").all()
    report = audit(inventory, images.stray_masks)
    assert report["sizes"] == {"2x2": 12}
    assert report["modes"] == {"L": 12}
    assert [len(group) for group in report["duplicates_between_splits"]] == [12]
    assert not report["has_masks"]


def test_collection_holds_what_was_drawn_only(tmp_path: Path) -> None:
    write_sets(tmp_path, [0] * 4000, [*range(10)] * 400)
    collection = FASHION(path=tmp_path, category="t_shirt", max_train=4, max_test=10).load()
    assert len(pickle.dumps(collection)) < 10_000
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        collection.open_image("train/99999")


def test_without_a_split_images_still_open(fashion: Path) -> None:
    collection = FASHION(path=fashion, category="t_shirt").load()
    rest = collection.without("test")
    assert {sample.split for sample in rest.samples} == {"train", "calibration"}
    for sample in rest.samples:
        assert np.array_equal(rest.open_image(sample.path), collection.open_image(sample.path))


def test_an_image_from_elsewhere_is_opened(fashion: Path) -> None:
    miniatures.write_image(fashion / "added.png", miniatures.draw_part(7)[0])
    collection = FASHION(path=fashion, category="t_shirt").load()
    image = collection.open_image((fashion / "added.png").as_uri())
    assert np.array_equal(image, miniatures.draw_part(7)[0])


def test_changed_files_are_read_anew(tmp_path: Path) -> None:
    write_sets(tmp_path, [0, 1], [*range(10)])
    assert len(FASHION(path=tmp_path, category="t_shirt").load().samples) == 11
    write_sets(tmp_path, [0, 0, 0], [*range(10)])
    assert len(FASHION(path=tmp_path, category="t_shirt").load().samples) == 13


# What is refused


@pytest.mark.parametrize(
    ("dataset", "hint"),
    [
        (datasets.MNISTDataset, r"torchvision\.datasets\.MNIST\(FOLDER, download=True\)"),
        (FASHION, "Debian's package dataset-fashion-mnist"),
        (datasets.CIFAR10Dataset, r"torchvision\.datasets\.CIFAR10\(FOLDER, download=True\)"),
    ],
)
def test_missing_files_say_where_to_get_them(tmp_path: Path, dataset: Any, hint: str) -> None:
    one = dataset(path=tmp_path, category=dataset._classes[0])
    assert not one.exists()
    with pytest.raises(InputError, match=hint):
        one.check()


def test_a_single_missing_file(fashion: Path) -> None:
    (fashion / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="the four idx files of Fashion-MNIST"):
        FASHION(path=fashion, category="t_shirt").check()


def test_class_without_training_images(fashion: Path) -> None:
    with pytest.raises(InputError, match=r"'bag' in data root .* has no good training images"):
        FASHION(path=fashion, category="bag").check()


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debian_package() -> None:
    collection = FASHION(path=DEBIAN, category="trouser").load()
    counts = collection.table.groupby(["split", "label"]).size().to_dict()
    assert counts == {
        ("train", 0): 5400, ("calibration", 0): 600, ("test", 0): 1000, ("test", 1): 9000
    }  # fmt: skip
    trousers = [
        collection.open_image(sample.path) for sample in collection.samples if sample.label == 0
    ]
    mean = np.mean(trousers, axis=0)
    assert mean.shape == (28, 28, 3)
    assert mean[20, 14, 0] < mean[20, [10, 18], 0].min()  # between the legs
