"""A miniature of each raw-image layout, and what its dataset has to find there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import miniatures
import packed_miniatures
from reb_pipeline import datasets


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
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, path: str | Path | None, **changes: Any) -> Any:
        args = {"path": path, "category": self.category, **self.options, **changes}
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
        miniatures.make_csv_list,
        "CSVListDataset",
        "washer",
        {**GIVEN_GOOD, ("calibration", "good"): 2, **SPOTS},
        masks=2,
    ),
    Layout(
        miniatures.make_lookout,
        "LookoutForVisionDataset",
        "gasket",
        {**SPLIT_GOOD, ("test", "anomaly"): 2, ("test", "bright_spot"): 1},
    ),
    Layout(
        miniatures.make_anomalib,
        "AnomalibFolderDataset",
        "valve",
        {("train", "good"): 7, ("calibration", "good"): 1, ("test", "good"): 3, **SPOTS},
        good_folder="valve/normal",
        options={
            "normal_dir": "normal",
            "abnormal_dir": ["abnormal/dark_spot", "abnormal/bright_spot"],
            "normal_test_dir": "normal_test",
            "mask_dir": "masks",
        },
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
