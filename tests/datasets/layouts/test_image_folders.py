"""What every raw-image dataset promises, on a miniature of each layout."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import AbstractDataset, DataCatalog, DatasetError

import miniatures
import packed_miniatures
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import ImageCollection


@dataclass(frozen=True)
class Layout:
    make: Any
    dataset: str
    category: str
    counts: dict[tuple[str, str], int]
    masks: int = 3
    good_folder: str = ""
    size: int = miniatures.SIZE
    is_packed: bool = False  # images have no file of their own

    def build(self, path: str | Path | None, **changes: Any) -> Any:
        args = {"path": path, "category": self.category, **changes}
        return getattr(datasets, self.dataset)(**args)


SPLIT_GOOD = {("train", "good"): 8, ("calibration", "good"): 1, ("test", "good"): 4}
GIVEN_GOOD = {("train", "good"): 8, ("test", "good"): 3}
SPOTS = {("test", "dark_spot"): 2, ("test", "bright_spot"): 1}
ONE_VS_REST_GOOD = {("train", "good"): 9, ("calibration", "good"): 1, ("test", "good"): 3}
LAYOUTS = [
    Layout(
        miniatures.make_mvtec_ad,
        "MVTecADDataset",
        "screw",
        {**GIVEN_GOOD, **SPOTS},
        good_folder="screw/train/good",
    ),
    Layout(
        miniatures.make_mvtec_loco,
        "MVTecLOCODataset",
        "pushpins",
        {
            **GIVEN_GOOD,
            ("calibration", "good"): 2,
            ("test", "structural_anomalies"): 2,
            ("test", "logical_anomalies"): 1,
        },
        masks=6,
        good_folder="pushpins/train/good",
    ),
    Layout(
        miniatures.make_btad,
        "BTADDataset",
        "01",
        {**GIVEN_GOOD, ("test", "ko"): 3},
        good_folder="01/train/ok",
    ),
    Layout(miniatures.make_visa, "VisADataset", "candle", {**GIVEN_GOOD, ("test", "anomaly"): 3}),
    Layout(
        miniatures.make_magnetic_tile,
        "MagneticTileDataset",
        "magnetic_tile",
        {**SPLIT_GOOD, ("test", "blowhole"): 2, ("test", "crack"): 1},
        good_folder="MT_Free/Imgs",
    ),
    Layout(
        miniatures.make_elpv,
        "ELPVDataset",
        "mono",
        {**SPLIT_GOOD, ("test", "defective"): 3},
        masks=0,
    ),
    Layout(
        miniatures.make_plain_folder,
        "PlainFolderDataset",
        "bolt",
        {**SPLIT_GOOD, **SPOTS},
        masks=2,
        good_folder="bolt/good",
    ),
    Layout(
        packed_miniatures.make_mnist,
        "MNISTDataset",
        "digit_0",
        {**ONE_VS_REST_GOOD, ("test", "digit_1"): 2, ("test", "digit_2"): 1},
        masks=0,
        is_packed=True,
    ),
    Layout(
        packed_miniatures.make_fashion_mnist,
        "FashionMNISTDataset",
        "t_shirt",
        {**ONE_VS_REST_GOOD, ("test", "trouser"): 2, ("test", "pullover"): 1},
        masks=0,
        is_packed=True,
    ),
    Layout(
        packed_miniatures.make_cifar10,
        "CIFAR10Dataset",
        "airplane",
        {**ONE_VS_REST_GOOD, ("test", "automobile"): 2, ("test", "bird"): 1},
        masks=0,
        size=miniatures.SIZE // 2,
        is_packed=True,
    ),
]


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.dataset)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


@pytest.fixture
def root(layout: Layout, tmp_path: Path) -> Path:
    return layout.make(tmp_path / "data")


def test_table_has_every_sample_with_its_split_and_type(layout: Layout, root: Path) -> None:
    table = layout.build(root).load().table
    assert list(table.columns) == ["id", "path", "split", "label", "defect_type", "mask_paths"]
    assert table.groupby(["split", "defect_type"]).size().to_dict() == layout.counts
    assert table["id"].is_unique
    assert ((table["label"] == 0) == (table["defect_type"] == "good")).all()
    assert (table.loc[table["label"] == 1, "split"] == "test").all()
    assert table["mask_paths"].map(len).sum() == layout.masks


def test_images_and_masks_open_and_match(layout: Layout, root: Path) -> None:
    collection = layout.build(root).load()
    size = (layout.size, layout.size)
    for sample in collection.samples:
        assert (root / sample.path).is_file() != layout.is_packed
        image = collection.open_image(sample.path)
        assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
        if sample.mask_paths:
            mask = collection.open_mask(sample.mask_paths)
            assert (mask.shape, mask.dtype) == (size, bool)
            # The mask lies on the defect: the part there is far from its usual grey.
            assert abs(float(image[mask, 0].mean()) - 150) > 60


def test_same_table_from_memory_and_after_pickling(layout: Layout, root: Path) -> None:
    collection = layout.build(root).load()
    remote = layout.build(miniatures.copy_to_memory(root, root.parent.name)).load()
    assert remote.samples == collection.samples
    sample = collection.samples[-1]
    for other in (remote, pickle.loads(pickle.dumps(collection))):
        assert other.table.equals(collection.table)
        assert np.array_equal(other.open_image(sample.path), collection.open_image(sample.path))


def test_preview_counts(layout: Layout, root: Path) -> None:
    dataset = layout.build(root)
    preview = json.loads(json.dumps(dataset.preview()))
    assert preview["columns"] == ["split", "defect_type", "images"]
    assert {(split, kind): n for split, kind, n in preview["data"]} == layout.counts
    assert preview["data"][0][:2] == ["train", "good"]
    assert len(dataset.preview(nrows=2)["data"]) == 2


def test_exists_only_where_root_and_category_are(layout: Layout, root: Path) -> None:
    assert layout.build(root).exists()
    assert not layout.build(root, category="nut").exists()
    assert not layout.build(root / "missing").exists()


def test_save_is_refused(layout: Layout, root: Path) -> None:
    with pytest.raises(DatasetError, match="originals are never touched"):
        layout.build(root).save("anything")


def test_missing_root_and_category_say_what_to_do(layout: Layout, root: Path) -> None:
    with pytest.raises(InputError, match=r"Data root '.*missing' does not .*data_root"):
        layout.build(root / "missing").load()
    found = layout.category if layout.dataset != "ELPVDataset" else "mono, poly"
    with pytest.raises(InputError, match=rf"Category 'nut' is not in .*\(.*{found}.*\)"):
        layout.build(root, category="nut").check()


def test_no_good_training_images(layout: Layout, root: Path) -> None:
    if not layout.good_folder:
        pytest.skip("its table, not a folder, names the images")
    for path in (root / layout.good_folder).iterdir():
        path.unlink()
    with pytest.raises(InputError, match="has no good training images"):
        layout.build(root).check()


def test_catalog_builds_it_by_its_short_name(layout: Layout, root: Path) -> None:
    entry = {
        "type": f"reb_pipeline.datasets.{layout.dataset}",
        "path": str(root),
        "category": layout.category,
        "metadata": {"kedro-viz": {"layer": "raw"}},
    }
    catalog = DataCatalog.from_config({"raw_images": entry})
    assert isinstance(catalog.load("raw_images"), ImageCollection)
    assert isinstance(catalog["raw_images"], AbstractDataset)


def test_description_tells_no_secret(tmp_path: Path) -> None:
    dataset = datasets.MVTecADDataset(
        path="memory:///data", category="screw", credentials={"token": "hush"}
    )
    assert "hush" not in repr(dataset)


def test_images_that_share_an_id_are_refused(tmp_path: Path) -> None:
    root = miniatures.make_plain_folder(tmp_path)
    miniatures.write_image(root / "bolt/good/000.bmp", miniatures.draw_part(0)[0])
    with pytest.raises(InputError, match=r"'bolt/good/000.bmp', 'bolt/good/000.png'"):
        datasets.PlainFolderDataset(path=root, category="bolt").load()


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_ad(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/screw").symlink_to(root / "screw")
    assert len(datasets.MVTecADDataset(path=tmp_path / "data", category="screw").load().samples)
