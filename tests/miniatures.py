"""A dozen-file miniature of each raw-image layout: a noisy disc as the part, blobs as defects."""

import csv
import json
from pathlib import Path

import fsspec
import numpy as np
from PIL import Image

SIZE = 64
TRAIN_GOOD = 8
TEST_GOOD = 3
# Two defects of the first type and one of the second.
DEFECTS = ("dark_spot", "dark_spot", "bright_spot")
# Good images of a layout without a split: at shares 0.6 and 0.1 eight are to train.
UNSPLIT_GOOD = 13

_GREY_OF_DEFECT = {"dark_spot": 20, "bright_spot": 245}


def draw_part(seed: int, defect: str = "good", blobs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Draw a part: image uint8 [SIZE, SIZE, 3], one mask bool [blobs, SIZE, SIZE] a blob."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centre = SIZE / 2 + rng.uniform(-1, 1, 2)
    grey = np.where(np.hypot(rows - centre[0], columns - centre[1]) < 24, 150.0, 60.0)
    masks = np.zeros((blobs, SIZE, SIZE), bool)
    if defect != "good":
        # Apart from each other, so that every blob is a region of its own.
        for mask, angle in zip(masks, rng.uniform(0, 2) + np.arange(blobs) * np.pi, strict=True):
            y, x = centre + 12 * np.array([np.sin(angle), np.cos(angle)])
            mask[:] = np.hypot(rows - y, columns - x) < rng.uniform(4, 6)
            grey[mask] = _GREY_OF_DEFECT[defect]
    grey = grey + rng.normal(0, 4, grey.shape)
    tint = np.array([1.0, 0.95, 0.85])
    return np.clip(grey[:, :, None] * tint, 0, 255).astype(np.uint8), masks


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [H, W, 3] or [H, W] in the format of the path's extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_mask(path: Path, mask: np.ndarray, value: int = 255) -> None:
    """Write bool [H, W] as grey 0 and `value`."""
    write_image(path, mask.astype(np.uint8) * np.uint8(value))


def write_good(folder: Path, count: int, suffix: str = ".png", seed: int = 0) -> None:
    """Write good parts 000, 001, …"""
    for index in range(count):
        write_image(folder / f"{index:03}{suffix}", draw_part(seed + index)[0])


def write_defects(folder: Path, image: str, mask: str) -> None:
    """Write parts with one defect each and their masks, at paths of `kind` and `index`."""
    for index, kind in enumerate(DEFECTS):
        pixels, masks = draw_part(200 + index, kind)
        write_image(folder / image.format(kind=kind, index=index), pixels)
        write_mask(folder / mask.format(kind=kind, index=index), masks[0])


def make_mvtec_ad(root: Path, category: str = "screw") -> Path:
    """MVTec AD, with the stray files that folders collect."""
    folder = root / category
    write_good(folder / "train/good", TRAIN_GOOD)
    write_good(folder / "test/good", TEST_GOOD, seed=100)
    write_defects(folder, "test/{kind}/{index:03}.png", "ground_truth/{kind}/{index:03}_mask.png")
    for stray in ("train/good/Thumbs.db", "train/good/._000.png", "test/.DS_Store", "readme.txt"):
        (folder / stray).write_bytes(b"stray")
    return root


def make_mvtec_loco(root: Path, category: str = "pushpins") -> Path:
    """MVTec LOCO: validation images, several masks an image, one with a saturation in pixels."""
    folder = root / category
    write_good(folder / "train/good", TRAIN_GOOD)
    write_good(folder / "validation/good", 2, seed=50)
    write_good(folder / "test/good", TEST_GOOD, seed=100)
    for index, kind in enumerate(DEFECTS):
        image, masks = draw_part(200 + index, kind, blobs=2)
        kind_folder = "structural_anomalies" if kind == "dark_spot" else "logical_anomalies"
        write_image(folder / f"test/{kind_folder}/{index:03}.png", image)
        for region, (mask, value) in enumerate(zip(masks, (255, 254), strict=True)):
            path = folder / f"ground_truth/{kind_folder}/{index:03}/{region:03}.png"
            write_mask(path, mask, value)
    config = [
        {
            "defect_name": "spot",
            "pixel_value": 255,
            "saturation_threshold": 1.0,
            "relative_saturation": True,
        },
        {
            "defect_name": "missing_pin",
            "pixel_value": 254,
            "saturation_threshold": 30,
            "relative_saturation": False,
        },
    ]
    (folder / "defects_config.json").write_text(json.dumps(config))
    return root


def make_btad(root: Path, category: str = "01") -> Path:
    """BTAD: bmp images and png masks, as its category 01 has them."""
    folder = root / category
    write_good(folder / "train/ok", TRAIN_GOOD, ".bmp")
    write_good(folder / "test/ok", TEST_GOOD, ".bmp", seed=100)
    write_defects(folder, "test/ko/{index:04}.bmp", "ground_truth/ko/{index:04}.png")
    return root


def make_visa(root: Path, category: str = "candle") -> Path:
    """VisA: one table for all, .JPG images, masks of grey values 1 and 2, which look black."""
    images = f"{category}/Data/Images"
    rows = []
    for index in range(TRAIN_GOOD + TEST_GOOD):
        path = f"{images}/Normal/{index:04}.JPG"
        write_image(root / path, draw_part(index)[0])
        rows.append([category, "train" if index < TRAIN_GOOD else "test", "normal", path, ""])
    for index, kind in enumerate(DEFECTS):
        image, masks = draw_part(200 + index, kind, blobs=2)
        path = f"{images}/Anomaly/{index:03}.JPG"
        mask_path = f"{category}/Data/Masks/Anomaly/{index:03}.png"
        write_image(root / path, image)
        write_image(root / mask_path, (masks[0] + 2 * masks[1]).astype(np.uint8))
        rows.append([category, "test", "anomaly", path, mask_path])
    rows.append(["fryum", "train", "normal", "fryum/Data/Images/Normal/000.JPG", ""])
    table = root / "split_csv/1cls.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["object", "split", "label", "image", "mask"], *rows])
    return root


def make_magnetic_tile(root: Path) -> Path:
    """Magnetic Tile: .jpg images with .png masks beside them, black ones for good parts."""
    kinds = ["Free"] * UNSPLIT_GOOD + ["Blowhole", "Blowhole", "Crack"]
    for index, kind in enumerate(kinds):
        image, masks = draw_part(index, "good" if kind == "Free" else "dark_spot")
        stem = root / f"MT_{kind}/Imgs/exp1_num_{1000 + index}"
        write_image(stem.with_suffix(".jpg"), image[:, :, 0])
        write_mask(stem.with_suffix(".png"), masks[0])
    return root


def make_elpv(root: Path, good: int = UNSPLIT_GOOD) -> Path:
    """ELPV: grey cells of two categories, a good, a defective and two uncertain kinds of each."""
    probabilities = [0.0] * good + [1.0] * 3 + [1 / 3, 2 / 3]
    lines = []
    for category, first in (("mono", 1), ("poly", 101)):
        for number, probability in enumerate(probabilities, first):
            defect = "dark_spot" if probability > 0 else "good"
            name = f"images/cell{number:04}.png"
            write_image(root / name, draw_part(number, defect)[0][:, :, 0])
            lines.append(f"{name}  {probability}  {category}\n")
    (root / "labels.csv").write_text("".join(lines))
    return root


def make_plain_folder(root: Path, category: str = "bolt") -> Path:
    """A plain folder: mixed extensions, masks for one of the defect types only."""
    folder = root / category
    write_good(folder / "good", UNSPLIT_GOOD - 3)
    for index, suffix in enumerate((".jpg", ".TIF", ".webp")):
        write_image(folder / f"good/photo {index}{suffix}", draw_part(50 + index)[0])
    for index, kind in enumerate(DEFECTS):
        image, masks = draw_part(200 + index, kind)
        write_image(folder / f"{kind}/{index:03}.png", image)
        if kind == "dark_spot":
            ending = "_mask.png" if index else ".bmp"
            write_mask(folder / f"masks/{kind}/{index:03}{ending}", masks[0])
    return root


def make_csv_list(root: Path, category: str = "washer") -> Path:
    """A CSV list as a spreadsheet saves it, with splits; masks for one of the defect types only."""
    rows = []
    for index in range(TRAIN_GOOD + 2 + TEST_GOOD):
        write_image(root / f"photos/{index:03}.jpg", draw_part(index)[0])
        split = "Train" if index < TRAIN_GOOD else "val" if index < TRAIN_GOOD + 2 else "test"
        rows.append([f"photos/{index:03}.jpg", "OK", "", split])
    for index, kind in enumerate(DEFECTS, 100):
        image, masks = draw_part(200 + index, kind)
        write_image(root / f"photos/{index}.jpg", image)
        write_mask(root / f"masks/{index}.png", masks[0])
        mask = f"masks/{index}.png" if kind == "dark_spot" else ""
        rows.append([f".\\photos\\{index}.jpg", kind, mask, ""])
    with (root / f"{category}.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows([["Image", "Label", "Mask", "Split"], *rows])
    return root


def make_lookout(root: Path, category: str = "gasket") -> Path:
    """Amazon Lookout for Vision: a manifest, palette masks with a white background, an unlabelled image."""
    colors = {"dark_spot": "#2ca02c", "bright_spot": "#1f77b4"}
    background = {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0}
    lines = []
    for index, kind in enumerate(["good"] * UNSPLIT_GOOD + [*DEFECTS, ""]):
        image, masks = draw_part(200 + index, kind or "good")
        folder = {"good": "normal", "": "unsorted"}.get(kind, "anomaly")
        write_image(root / f"gasket/{folder}/{index:03}.jpg", image)
        name = {"good": "normal", "": "unknown"}.get(kind, "anomaly")
        line: dict[str, object] = {
            "source-ref": f"s3://press-shop/gasket/{folder}/{index:03}.jpg",
            "auto-label": 1,  # not used by the service
            "auto-label-metadata": {"class-name": name, "type": "groundtruth/image-classification"},
        }
        if kind in colors:
            # Of dark spots the map names all classes, as Ground Truth writes it.
            kinds = list(colors) if kind == "dark_spot" else [kind]
            mask = Image.fromarray(masks[0].astype(np.uint8) * (1 + list(colors).index(kind)))
            palette = "ffffff" + "".join(color.removeprefix("#") for color in colors.values())
            mask.putpalette(bytes.fromhex(palette))
            (root / "gasket/masks").mkdir(exist_ok=True)
            mask.save(root / f"gasket/masks/{index:03}.png")
            line["anomaly-mask-ref"] = f"s3://press-shop/gasket/masks/{index:03}.png"
            named = [{"class-name": one, "hex-color": colors[one]} for one in kinds]
            color_map = dict(enumerate([background, *named]))
            line["anomaly-mask-ref-metadata"] = {"internal-color-map": color_map}
        lines.append(json.dumps(line))
    (root / f"{category}.manifest").write_text("\n".join(lines) + "\n")
    return root


def make_anomalib(root: Path, category: str = "valve") -> Path:
    """The folders of anomalib's Folder; all masks in one folder."""
    folder = root / category
    write_good(folder / "normal", TRAIN_GOOD)
    write_good(folder / "normal_test", TEST_GOOD, seed=100)
    write_defects(folder, "abnormal/{kind}/{index:03}.png", "masks/{kind}/{index:03}_gt.png")
    return root


def copy_to_memory(root: Path, name: str) -> str:
    """Copy a folder to fsspec's memory, a stand-in for a bucket; returns its address.

    The address has three slashes, because Kedro drops the host of a memory:// address.
    """
    memory = fsspec.filesystem("memory")
    for path in sorted(root.rglob("*")):
        if path.is_file():
            memory.pipe_file(f"/{name}/{path.relative_to(root).as_posix()}", path.read_bytes())
    return f"memory:///{name}"
