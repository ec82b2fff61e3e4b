"""A packaged model small enough to do by hand: a patch feature is the mean colour of 8 x 8 pixels."""

from dataclasses import replace

import fsspec
import numpy as np

from miniatures import SIZE, draw_part
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.core.sizes import shape_of
from reb_pipeline.features.tiles import Tiles
from reb_pipeline.images.region import resized
from reb_pipeline.images.resize import resize_image
from reb_pipeline.inspection.model import good_image, pack, with_images_of_rows, write_model
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

CELL = 8  # pixels
GRID = SIZE // CELL
SCORING = ScoringSettings(
    scorer="ldknn", max_neighbors=5, n_neighbors=3, alpha=0.5, form="subtract_squared", image_score="block_max",
    top_patches=3, quantile=0.9, area_threshold=None, smoothing_sigma=4.0,
)  # fmt: skip
GOOD = {f"good/{seed:03}": draw_part(seed)[0] for seed in range(8)}
HELD_OUT = {f"held out/{seed}": draw_part(100 + seed)[0] for seed in range(19)}


def mean_colours(image, size=SIZE):
    """The features of an image of any size, float32 [8, 8, 3], or on the grid of height and width."""
    pixels = resize_image(image, size).astype(np.float32)
    height, width = (side // CELL for side in shape_of(size))
    return pixels.reshape(height, CELL, width, CELL, 3).mean(axis=(1, 3))


def network(size=SIZE, factor=1.0, cell=CELL):
    """Build the network of :func:`mean_colours` as an ONNX file, for images or tiles of a size."""
    from onnx import TensorProto, helper, numpy_helper

    shape = shape_of(size)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "factor"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["means"], kernel_shape=[cell, cell], strides=[cell, cell]
        ),
        helper.make_node("Transpose", ["means"], ["features"], perm=[0, 2, 3, 1]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, *shape, 3])
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, [1, *(side // cell for side in shape), 3]
    )
    constant = numpy_helper.from_array(np.float32(factor), "factor")
    graph = helper.make_graph(nodes, "mean_colours", [pixels], [features], [constant])
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def train(
    scoring=SCORING,
    distance="euclidean",
    ratio=0.5,
    rate=0.1,
    region=None,
    size=SIZE,
    light="as_is",
    empty_field=None,
    pose=None,
    good=None,
    held_out=None,
):
    """The training pipeline's detector and calibration, and what it finds for the held-out images."""
    extractor = {
        "backbone": "mean colours", "image_size": size, "tile_size": None, "tile_overlap": 0,
        "region": region and region.as_json(size), "light": light,
        "empty_field": empty_field and empty_field.as_json(), "pose": pose and pose.as_json(),
    }  # fmt: skip

    def features(images):
        for image_id, image in images.items():
            aligned = pose.brought(image) if pose else image
            yield image_id, mean_colours(resized(aligned, size, region, light, empty_field), size)

    patches = features(good or GOOD)
    bank = collect_patches(
        patches, len(good or GOOD), extractor, MemoryBankSettings(distance=distance)
    )
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=0))
    density = measure_local_density(bank, coreset, scoring.max_neighbors)
    depth = scoring.search_depth
    own = search_own_images(bank, coreset, bank.image_ids, depth) if scoring.zones else None
    detector = MemoryBankDetector.of(coreset.of(bank), density, scoring, own)
    found = detector.search(features(held_out or HELD_OUT))
    detection = detector.score(found)
    maps = detection.anomaly_maps(size, scoring.smoothing_sigma)
    peaks = np.array([one.max() for _, one in maps], np.float32)
    calibration = Calibration(
        detection.image_scores, peaks, found.image_ids, rate, CALIBRATION_SPLIT, float(scoring.alpha),
        found.coreset_fingerprint, scoring.model_dump(mode="json"), found.mean_features,
    )  # fmt: skip
    return detector, calibration, found


def tiny_model(tile_size=None, tile_overlap=0, factor=1.0, size=SIZE, **training):
    """The packaged model."""
    detector, calibration, _ = train(size=size, **training)
    bank = with_images_of_rows(detector.bank)
    tiles = Tiles(size, tile_size, tile_overlap, CELL) if tile_size else None
    seen = [min(tile_size, side) for side in shape_of(size)] if tile_size else size
    about = {**bank.extractor, "tile_size": tile_size, "tile_overlap": tile_overlap}
    return pack(
        "part",
        network(seen, factor),
        tiles,
        replace(detector, bank=replace(bank, extractor=about)),
        calibration,
        [good_image((training.get("good") or GOOD)[image_id], size) for image_id in bank.image_ids],
    )


def with_spot(image, rows, columns):
    """Copy an image with a white rectangle."""
    spotted = image.copy()
    spotted[rows, columns] = 255
    return spotted


def write_tiny(folder, **settings):
    """Write it to a local folder; returns the folder."""
    write_model(tiny_model(**settings), str(folder), fsspec.filesystem("file"))
    return folder
