"""Inspector: a loaded packaged model that inspects images."""

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reb_pipeline.calibration.verdicts import UNDECIDED, can_flag
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_count, checked_share
from reb_pipeline.core.settings import validated
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.features.tiles import Tiles
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.decoding import MAX_PIXELS, read_image
from reb_pipeline.images.empty_field import EmptyField
from reb_pipeline.images.even_light import AS_IS, evened
from reb_pipeline.images.opening import ImageLike, open_image
from reb_pipeline.images.pose import Placement
from reb_pipeline.images.region import Region, resized
from reb_pipeline.images.value_range import FORMER_RANGE, ValueRange
from reb_pipeline.inspection.appearance import PartCheck
from reb_pipeline.inspection.defects import Defect, box_in_image, find_defects
from reb_pipeline.inspection.model import PackagedModel, read_model
from reb_pipeline.inspection.network import load_network
from reb_pipeline.inspection.part_verdicts import of_one_view, verdict_now
from reb_pipeline.inspection.results import Drawing, Inspection, NearestGood
from reb_pipeline.inspection.threshold import ChosenThreshold
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.scoring.anomaly_maps import anomaly_map, brought_back
from reb_pipeline.scoring.settings import ScoringSettings

__all__ = ["Defect", "Inspection", "Inspector", "NearestGood"]

_RATES = {"false_alarm_rate": "false-alarm rate", "doubtful_rate": "doubtful rate"}
CONTEXT = 4  # patches shown on every side of a good patch; fewer are not recognisable


class Inspector:
    """Inspects images with a packaged model; may be used by several threads at once.

    Args:
        model: The model.
        engine: Engine of the network: ``"onnxruntime"`` or ``"openvino"``.

    Attributes:
        name: Name of the category.
        model_id: SHA-256 over all files of the model.
        image_threshold: Highest image score that is not defective; infinity if the rate cannot be guaranteed.
        doubtful_threshold: Highest image score that is good; None if no part is doubtful.
        pixel_threshold: Highest value of an anomaly map that is not marked; infinity if the rate cannot be guaranteed.
        calibration: Scores of good images, and the false-alarm rate.
        detector: The fitted detector.
        size: Side, or height and width, of an anomaly map in pixels.
        value_range: Range of the values of images with more than 8 bits; None if the model learnt from 8-bit images.
        channels: Channels that are picked from image files; None if the model learnt from grey and RGB files.
        manifest: Content of ``model.json``.
        written: Time when ``model.json`` was written; None if it is not known.

    Raises:
        InputError: If the engine is unknown, not installed or cannot read the network, or if the parts of the model do
        not
            match.

    Example:
        >>> from reb_pipeline import Inspector
        >>> inspector = Inspector.load("tests/inspection/models/former_records")
        >>> inspection = inspector.inspect("docs/images/hardest_images.png")  # unlike any part
        >>> inspection.verdict
        'defective'
        >>> [patch.image_id for patch in inspector.explain(inspection, n=2)]
        ['good/003', 'good/006']
    """

    def __init__(self, model: PackagedModel, engine: str = "onnxruntime") -> None:
        self.manifest = model.manifest
        self.written = model.written
        self.name: str = model.manifest["name"]
        self.model_id: str = model.manifest["digest"]
        self.calibration = model.calibration
        self.image_threshold = model.calibration.image_threshold
        self.doubtful_threshold = model.calibration.doubtful_threshold
        self.pixel_threshold = model.calibration.pixel_threshold
        features = model.manifest["features"]
        self.size: Size = features["image_size"]
        self.value_range = ValueRange.of_json(features.get("value_range", FORMER_RANGE))
        self.channels = Channels.of_json(features.get("channels"))
        self._region = Region.of_json(features.get("region"))
        self._light: str = features.get("light", AS_IS)
        self._shading = EmptyField.of_json(features.get("empty_field"))
        self._pose = model.pose
        if self._pose is not None:
            self._pose.search  # noqa: B018  # without OpenCV no image may be inspected
        self._tiles = (
            Tiles(
                self.size, features["tile_size"], features["tile_overlap"], features["tile_stride"]
            )
            if features["tile_stride"]
            else None
        )
        self._network = load_network(model.network, engine)
        self._bank = model.bank
        self._good_images, self._zones = model.good_images, model.zones
        self._scoring = _scoring(model.manifest["scoring"])
        self.detector = model.detector(self._scoring)
        # Warm-up: without it the first image of the user would be the slowest.
        first = (
            self._good_image(0)
            if self._good_images
            else np.zeros((*shape_of(self.size), 3), np.uint8)
        )
        found, grid = self._search(first)
        self._part_check = self._check_of(model)
        self._grid = grid.shape[:2]
        self.verdict(found, grid, shape_of(self.size))

    def _check_of(self, model: PackagedModel) -> PartCheck | None:
        """Build the comparison of images with the good ones; None if the model has none."""
        if model.appearance is None:
            return None
        shape = (*shape_of(self.size), 3)
        plain = [np.full(shape, level, np.uint8) for level in (0, 255)]
        if self._shading is not None:
            plain = [self._shading.corrected(frame) for frame in plain]
        frames = (evened(frame, self._light) for frame in plain)
        features = np.stack([self.detector.mean_feature(self._features(one)) for one in frames])
        known = model.calibration.mean_features
        return PartCheck(model.appearance, known, features, self._region)

    @property
    def can_flag(self) -> bool:
        """True if parts can be good or defective; every part is undecided otherwise."""
        return can_flag(self.image_threshold)

    @classmethod
    def load(
        cls,
        path: str | Path,
        engine: str = "onnxruntime",
        false_alarm_rate: float | None = None,
        doubtful_rate: float | None = None,
    ) -> "Inspector":
        """Load a packaged model.

        Args:
            path: The folder that contains ``model.json``, as a path or a URL of any fsspec file system.
            engine: See :class:`Inspector`.
            false_alarm_rate: Rate that the thresholds are taken for, from the calibration scores of the model; None
                keeps that of its calibration.
            doubtful_rate: Share of good parts that may be doubtful or defective, at least the false-alarm rate; None
                keeps that of its calibration.

        Raises:
            InputError: If it is not a packaged model, has another format, is incomplete or was changed, or a rate
                cannot be used; see also :class:`Inspector`.
        """
        model = read_model(path)
        given = {"false_alarm_rate": false_alarm_rate, "doubtful_rate": doubtful_rate}
        rates: dict[str, Any] = {
            name: checked_share(rate, f"A {_RATES[name]} of")
            for name, rate in given.items()
            if rate is not None
        }
        if rates:
            model = replace(model, calibration=replace(model.calibration, **rates))
        return cls(model, engine)

    def with_threshold(self, chosen: ChosenThreshold) -> "Inspector":
        """Copy this inspector with the thresholds that a person chose, and the pixel threshold of their rate.

        Raises:
            InputError: If the threshold is that of another model, or below the scores of all good images.
        """
        changed = copy.copy(self)  # shares network and bank
        changed.calibration = chosen.applied(self.model_id, self.calibration)
        changed.image_threshold = chosen.image_threshold
        changed.doubtful_threshold = chosen.doubtful(changed.calibration)
        changed.pixel_threshold = changed.calibration.pixel_threshold
        return changed

    def read(self, data: bytes, source: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Decode an image file in the channels and the range of values that the model learnt.

        Args:
            data: See :func:`reb_pipeline.images.decoding.read_image`.
            source: Name of the image in error messages, without quotes.
            max_pixels: Largest number of pixels to decode.

        Returns:
            uint8 [height, width, 3] RGB, for :meth:`inspect`.

        Raises:
            UnreadableImageError: If it is no image that is read, or its values are out of range.
        """
        return read_image(data, source, max_pixels, self.value_range, self.channels)

    def inspect(self, image: ImageLike) -> Inspection:
        """Inspect one image; of a part with several views, one image is defective or undecided, never good.

        Args:
            image: Path or URL of a file, its bytes, a Pillow image, or an array of any size, grey or RGB of 8 or 16
                bits; see :func:`reb_pipeline.images.opening.open_image`. More than 8 bits are read in the range that
                the model learnt. A file has all channels of the files learnt from; a Pillow image or an array has those
                that are picked.

        Raises:
            InputError: If the image cannot be read or is nothing of these, or its features or scores are not finite.
        """
        pixels = open_image(image, self.value_range, self.channels)
        start = time.perf_counter()
        placement = self.placement(pixels)
        seen = self._seen(pixels if placement is None else placement.aligned(pixels))
        found, grid = self._search(seen)
        inspection = self.verdict(found, grid, pixels.shape[:2], placement)
        fault = "" if placement is None else placement.fault
        if self._part_check is not None and not fault:
            fault = self._part_check.fault(pixels.shape, seen, found.mean_features[0])
        if fault:
            inspection = replace(
                inspection, verdict=UNDECIDED, reason=fault, defects=[], shows_part=False
            )
        inspection = of_one_view(self.calibration, inspection)
        seconds = time.perf_counter() - start
        return replace(inspection, seconds=seconds, drawing=Drawing(pixels, self.calibration))

    def placement(self, image: np.ndarray) -> Placement | None:
        """Find where the part lies in an image, uint8 [height, width, 3]; None in a model without a pose."""
        return None if self._pose is None else self._pose.placed(image)

    def search(self, image: np.ndarray) -> tuple[Any, np.ndarray]:
        """Extract patch features and compare each with good ones; the first half of :meth:`inspect`.

        Args:
            image: uint8 [height, width, 3] RGB.

        Returns:
            Result of the detector's method ``search`` for one image, and its patch features before the space of the
            bank, float32 [h, w, channels].

        Raises:
            InputError: If its features are not finite, or the region of interest was drawn on images of another aspect.
        """
        aligned = image if self._pose is None else self._pose.brought(image)
        return self._search(self._seen(aligned))

    def _seen(self, image: np.ndarray) -> np.ndarray:
        """Prepare an aligned image for the network as in training, uint8 [height, width, 3]."""
        return resized(image, self.size, self._region, self._light, self._shading)

    def _search(self, seen: np.ndarray) -> tuple[Any, np.ndarray]:
        """Search the patches of an image that was resized to uint8 [height, width, 3]."""
        grid = self._features(seen)
        return self.detector.search([("inspected", grid)]), grid

    def _features(self, seen: np.ndarray) -> np.ndarray:
        """Extract the patch features, float32 [h, w, channels], of an image that was resized."""
        grid: np.ndarray = (
            self._tiles.features(self._network, seen)
            if self._tiles
            else self._network(seen[None])[0]
        )
        if not np.isfinite(grid).all():
            msg = "The image gives features that are not finite: package the model again from weights that are."
            raise InputError(msg)
        return grid

    def verdict(
        self,
        found: Any,
        grid: np.ndarray,
        shape: tuple[int, ...],
        placement: Placement | None = None,
    ) -> Inspection:
        """Compute scores, anomaly map and verdict, without the duration; the second half of :meth:`inspect`.

        Args:
            found: Result of :meth:`search`.
            grid: Patch features from :meth:`search`.
            shape: Height and width of the image in pixels.
            placement: Where the part lies in the image; None leaves the map in the frame of the golden image.

        Raises:
            InputError: If a score is not finite.
        """
        at = placement or Placement()
        detection = self.detector.score(found)
        (score,), added = detection.image_scores, detection.global_scores
        (patch_map,) = detection.anomaly_maps(self.size, 0).patch_scores
        height, width = shape
        amap = self.map_of(patch_map, at, width / height)
        scored = patch_map if detection.patch_scores is None else detection.patch_scores
        worst = np.nanargmax(scored)
        y, x = np.unravel_index(worst, self._grid)
        (p_value,) = self.calibration.p_values([score])
        return Inspection(
            image_score=float(score),
            p_value=float(p_value),
            **verdict_now(self, float(score)),
            anomaly_map=amap,
            defects=find_defects(amap, self.pixel_threshold, (height, width)),
            seconds=0.0,
            worst_patch=at.box_back(self._box(int(y), int(x), 0, (height, width)), (height, width)),
            mean_features=found.mean_features[0],
            worst_feature=grid[y, x] if self._bank is None else self._bank.space.apply(grid[y, x]),
            region=self.map_region(at, width / height),
            placement=placement,
            patch_map=patch_map,
            global_score=0.0 if added is None else float(added[0]),
            zone="" if self._zones is None else self._zones.of_patch(int(y), int(x)),
        )

    def map_region(self, placement: Placement, aspect: float) -> np.ndarray | None:
        """Pixels of a map that count, bool [height, width]; None for all. Arguments as of :meth:`map_of`."""
        if self._region is None:
            return None
        return placement.back(self._region.at(self.size), aspect, 0)

    def map_of(self, patch_map: np.ndarray, placement: Placement, aspect: float) -> np.ndarray:
        """Compute the anomaly map of an image, float32 [height, width].

        Args:
            patch_map: Values of its patches, float32 [h, w].
            placement: Where the part lies in the image.
            aspect: Width over height of the image.
        """
        region = None if self._bank is None else self._bank.region
        found = anomaly_map(patch_map, self.size, self._scoring.smoothing_sigma, region)
        return brought_back(found, placement, aspect)

    def explain(self, inspection: Inspection, n: int = 3) -> list[NearestGood]:
        """Find the good patches nearest to the worst patch of an image, each from another good image.

        Args:
            inspection: Result of this inspector.
            n: Number of good images, at least 1.

        Returns:
            Good patches, nearest first; fewer if the bank has fewer images, none in a model without good images or
            without a memory bank.

        Raises:
            InputError: If ``n`` is no whole number of at least 1.
        """
        n = checked_count(n, "The number of good images")
        bank = self._bank
        if bank is None or not self._good_images:
            return []
        owners, n_rows = bank.image, len(bank.image)
        k = min(n, n_rows)
        while True:
            squared, rows = bank.index().search(inspection.worst_feature[None], k)
            _, first = np.unique(owners[rows[0]], return_index=True)
            if len(first) >= n or k == n_rows:
                break
            k = min(4 * k, n_rows)
        return [
            self._nearest_good(bank, int(rows[0, position]), float(squared[0, position]))
            for position in np.sort(first)[:n]
        ]

    def _nearest_good(self, bank: MemoryBank, row: int, squared: float) -> NearestGood:
        owner = int(bank.image[row])
        box = self._box(int(bank.y[row]), int(bank.x[row]), CONTEXT, shape_of(self.size))
        left, top, width, height = box
        crop = self._good_image(owner)[top : top + height, left : left + width]
        return NearestGood(bank.image_ids[owner], squared**0.5, crop, box)

    def _good_image(self, owner: int) -> np.ndarray:
        return read_image(self._good_images[owner], f"good image {owner} of the model")

    def _box(
        self, y: int, x: int, margin: int, shape: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """Compute the pixel box (x, y, width, height) of a patch widened by ``margin`` patches."""
        rows, columns = (
            slice(max(0, at - margin), min(cells, at + margin + 1))
            for at, cells in zip((y, x), self._grid, strict=True)
        )
        return box_in_image((rows, columns), self._grid, shape)


def _scoring(values: dict[str, Any]) -> ScoringSettings:
    """Create the scoring settings of a packaged model.

    Raises:
        InputError: If this version does not know one, and so would score in another way.
    """
    try:
        return validated(ScoringSettings, values, "scoring")
    except InputError as error:
        fault = str(error).rstrip(".")
        msg = f"The packaged model was made by another reb-pipeline ({fault}): update reb-pipeline."
        raise InputError(msg) from error
