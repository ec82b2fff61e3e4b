"""Contract of every raw-image dataset, on a miniature of each layout."""

import base64
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from PIL import Image

import miniatures
from archives import pack
from layout_cases import LAYOUTS, Layout
from reb_pipeline import datasets
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import from_text
from reb_pipeline.images.collection import ImageCollection


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
    assert table["mask_paths"].map(from_text).map(len).sum() == layout.masks


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


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_same_table_from_an_archive(layout: Layout, root: Path, kind: str) -> None:
    collection = layout.build(root).load()
    address = pack(root, kind)
    dataset = layout.build(address)
    packed = pickle.loads(pickle.dumps(dataset.load()))
    assert packed.table.equals(collection.table)
    assert packed.stray_masks == collection.stray_masks
    for sample in collection.samples[::3]:
        assert np.array_equal(packed.open_image(sample.path), collection.open_image(sample.path))
        if sample.mask_paths:
            mask = packed.open_mask(sample.mask_paths)
            assert np.array_equal(mask, collection.open_mask(sample.mask_paths))
    assert address in repr(dataset)


def test_preview_shows_an_image_of_each_split_and_defect_type(layout: Layout, root: Path) -> None:
    dataset = layout.build(root)
    sheet = Image.open(io.BytesIO(base64.b64decode(dataset.preview())))
    assert sheet.format == "PNG"
    first = np.asarray(sheet)[:128, :128]
    assert np.unique(first).size > 2  # neither paper nor ink
    fewer = Image.open(io.BytesIO(base64.b64decode(dataset.preview(n=1))))
    assert fewer.size == (219, 146)


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
        **layout.options,
        "metadata": {"kedro-viz": {"layer": "raw"}},
    }
    catalog = DataCatalog.from_config({"raw_images": entry})
    assert isinstance(catalog.load("raw_images"), ImageCollection)
    assert isinstance(catalog["raw_images"], AbstractDataset)


def test_category_in_a_folder_of_an_archive(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_ad(tmp_path / "mvtec")
    inner = pack(tmp_path / "mvtec", "zip", "mvtec")
    dataset = datasets.MVTecADDataset(path=inner, category="screw")
    assert dataset.load().table.equals(
        datasets.MVTecADDataset(path=root, category="screw").load().table
    )
    with pytest.raises(InputError, match=rf"Category 'nut' .* data root '{inner}': .*\(screw\)"):
        datasets.MVTecADDataset(path=inner, category="nut").load()


def test_archive_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    miniatures.make_mvtec_ad(tmp_path / "data")

    def load(path: str) -> None:
        datasets.MVTecADDataset(path=path, category="screw").check()

    with pytest.raises(InputError, match=r"'zip://::.*nowhere.zip' cannot be opened .*correct"):
        load(f"zip://::{tmp_path}/nowhere.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(InputError, match=r"text.zip' cannot be opened \(File is not a zip file\)"):
        load(f"zip://::{tmp_path}/text.zip")
    with tarfile.open(tmp_path / "dotted.tar", "w") as archive:
        archive.add(tmp_path / "data", ".")
    with pytest.raises(InputError, match=r"dotted.tar' begin with './', .*: pack the folders"):
        load(f"tar://::{tmp_path}/dotted.tar")


def test_broken_image_of_an_archive_is_named_with_it(tmp_path: Path) -> None:
    root = miniatures.make_mvtec_ad(tmp_path / "data")
    (root / "screw/train/good/000.png").write_bytes(b"")
    collection = datasets.MVTecADDataset(path=pack(root, "zip"), category="screw").load()
    with pytest.raises(InputError, match=r"'screw/train/good/000.png' in '.*data.zip'"):
        collection.open_image("screw/train/good/000.png")


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
