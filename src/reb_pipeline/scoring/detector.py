"""Fitted memory-bank detector: PatchCore, LDKNN and the other neighbour scores of REB."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import is_number
from reb_pipeline.core.sizes import Size
from reb_pipeline.memory_bank.bank import MEMORY_GIB, MemoryBank
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.filling import (
    LearnableSource,
    PatchSource,
    fill_bank,
    provenance_of,
)
from reb_pipeline.memory_bank.grids import inside, on_grid
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.nearest_patches import NearestPatches, search_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.alpha import alpha_error
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.fitted import (
    arguments_of_alpha,
    needs_fitted_alpha,
    needs_good_images,
    resolve_alpha,
    searched,
)
from reb_pipeline.scoring.global_branch import GlobalBranch
from reb_pipeline.scoring.good_scores import MIN_IMAGES, GoodScores, enough_images
from reb_pipeline.scoring.image_scores import IMAGE_SCORES, image_scores
from reb_pipeline.scoring.patch_scores import SCORERS, check_depth, patch_scores
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.scoring.zones import Zones, check_images
from reb_pipeline.search.index import nearest_other_rows


@dataclass(frozen=True, eq=False)
class MemoryBankDetector:
    """Coreset, local density and scoring settings, checked to fit together (REB sections 3.3 and 3.4; PatchCore).

    Attributes:
        bank: The coreset's rows of the memory bank.
        density: Local density of these rows.
        scoring: Settings as the user gave them.
        alpha: Weight of the local density as a number, also for ``auto``; 0 for scorers without it.
        alpha_error: Standard error of a fitted alpha, see :func:`reb_pipeline.scoring.alpha.alpha_error`; None for a
            number that was given.
        good_scores: Mean and spread of good patches' scores by position, in whose units patches are scored; None
            without ``normalization``, or with too few good images for it.
        zones: Zones of the part, in whose units patches are scored after that; None without ``zones``.
        global_branch: Gaussian of whole good images; None without ``global_branch``, or with too few good images.

    Raises:
        InputError: If the density belongs to another coreset or has not its rows, K is larger than its K_max, or
            alpha is not a finite number.

    Example:
        >>> from types import SimpleNamespace
        >>> rng = np.random.default_rng(0)
        >>> grids = [(f"good {n}", rng.random((6, 6, 3), np.float32)) for n in range(5)]
        >>> good = SimpleNamespace(image_ids=[name for name, _ in grids], patches=lambda: iter(grids))
        >>> detector = MemoryBankDetector.fit(good)
        >>> parts = [("good part", rng.random((6, 6, 3), np.float32)), ("bad part", 2 * np.ones((6, 6, 3), np.float32))]
        >>> found = detector.score(detector.search(parts))
        >>> found.patch_scores.shape, bool(found.image_scores[1] > found.image_scores[0])
        ((2, 6, 6), True)
    """

    FORMAT: ClassVar[int] = 4

    bank: MemoryBank
    density: LocalDensity
    scoring: ScoringSettings
    alpha: float
    alpha_error: float | None = None
    good_scores: GoodScores | None = None
    zones: Zones | None = None
    global_branch: GlobalBranch | None = None

    def __post_init__(self) -> None:
        self.density.check_coreset(self.bank.fingerprint)
        self.density.check_rows(len(self.bank.features))
        if not is_number(self.alpha):
            msg = (
                f"The detector's alpha = {self.alpha!r} is not a finite number: run the pipeline ldknn_density again, "
                f"or give a number."
            )
            raise InputError(msg)
        if self.uses_alpha:  # K must not be above K_max
            self.density.mean_distance(self.scoring.n_neighbors, squared=True)
        object.__setattr__(self, "_graph", [])

    @classmethod
    def fit(
        cls,
        good: LearnableSource,
        settings: MemoryBankSettings | None = None,
        scoring: ScoringSettings | None = None,
        *,
        device: str = "cpu",
        memory_gib: float = MEMORY_GIB,
        description: str | None = None,
        least_images: int = MIN_IMAGES,
    ) -> "MemoryBankDetector":
        """Fill a memory bank, select its coreset and measure its local density.

        What the settings leave to be fitted (:func:`needs_good_images`) is fitted on some of the good images, each
        compared with the others only.

        Args:
            good: See :func:`reb_pipeline.memory_bank.filling.fill_bank`.
            settings: Distance, copies and coreset; None for the paper's.
            scoring: Settings of the scores; None for those of the reference code.
            device: See :class:`reb_pipeline.search.index.NeighborIndex`.
            memory_gib: Memory that the bank may take, in GiB.
            description: First part of the labels of the progress bars; None shows no bars.
            least_images: Fewest good images to measure scores by position on.

        Raises:
            InputError: If there are too few patches for K_max, or the distance cannot be fitted on them.
        """
        settings, scoring = settings or MemoryBankSettings(), scoring or ScoringSettings()
        whole = fill_bank(good, settings, memory_gib)
        labels = [description and f"{description}: {step}" for step in ("coreset", "local density")]
        coreset = select_coreset(whole, settings, labels[0], memory_gib, device)
        k = min(scoring.max_neighbors, len(whole.features) - 1)
        density = measure_local_density(whole, coreset, k, labels[1], device)
        own = None
        if needs_good_images(scoring):
            chosen = evenly_chosen(whole.image_ids)
            own = search_own_images(whole, coreset, chosen, scoring.search_depth, device)
        return cls.of(coreset.of(whole), density, scoring, own, least_images)

    @classmethod
    def of(
        cls,
        bank: MemoryBank,
        density: LocalDensity,
        scoring: ScoringSettings,
        own: NearestPatches | None = None,
        least_images: int = MIN_IMAGES,
    ) -> "MemoryBankDetector":
        """Build a detector from its parts; alpha and the scores of good patches are fitted if the settings say so.

        Args:
            bank: The coreset's rows, see :meth:`reb_pipeline.memory_bank.bank.Coreset.of`.
            density: Their local density.
            scoring: Settings of the scores.
            own: Search results of good images that were not compared with their own rows, see
                :func:`needs_good_images`.
            least_images: See :meth:`fit`.

        Raises:
            InputError: If the parts do not belong together, ``own`` is needed and missing or has too few neighbours, or
                no alpha fits.
        """
        if own is not None:
            check_depth(own, scoring)
        alpha, error = resolve_alpha(scoring, density, own), None
        if own is not None and needs_fitted_alpha(scoring):
            error = alpha_error(**arguments_of_alpha(scoring, density, own))
        plain = cls(bank, density, scoring, alpha, error)
        by_position = replace(plain, good_scores=plain._good_scores(own, least_images))
        by_zone = replace(by_position, zones=by_position._zones(own, least_images))
        return replace(by_zone, global_branch=by_zone._global_branch(own, least_images))

    @property
    def features(self) -> np.ndarray:
        """Features of the coreset in the space of its distance, float32 [coreset rows, channels]."""
        return self.bank.features

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides a score: coreset, density, settings, alpha, good scores by position, and zones."""
        # The name of the detector is the same for all of this class; zones and global branch are hashed as fitted.
        others = {"detector", "zones", "global_branch"}
        scoring = self.scoring.model_dump(mode="json", exclude=others)
        settings = json.dumps((self.bank.fingerprint, scoring, self.alpha), sort_keys=True)
        digest = hashlib.blake2b(settings.encode(), digest_size=16)
        arrays = [self.density.squared_distances]
        if self.good_scores is not None:
            arrays += [self.good_scores.mean, self.good_scores.spread]
        if self.zones is not None:
            arrays += self.zones.arrays
        if (branch := self.global_branch) is not None:
            units = np.array([branch.centre, branch.spread, branch.unit, branch.excess])
            arrays += [branch.kinds, branch.mean, branch.precision, units]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def nbytes(self) -> int:
        """Bytes that a search needs in memory: rows, the first K columns of the density, and the space."""
        space = self.bank.mean.nbytes + self.bank.whitening.nbytes
        columns = self.density.squared_distances[:, : self.scoring.n_neighbors]
        branch = self.global_branch.nbytes if self.global_branch else 0
        return self.features.nbytes + columns.size * columns.itemsize + space + branch

    @property
    def uses_alpha(self) -> bool:
        """True if the scorer weights the local density by alpha."""
        return SCORERS[self.scoring.scorer].uses_alpha

    def check_settings(self, scoring: ScoringSettings, image_size: Size) -> None:
        """Check that the detector was fitted with the settings that scores and anomaly maps are made with.

        Args:
            scoring: Settings of the scores.
            image_size: Side, or height and width, of the images in pixels, and of their anomaly maps.

        Raises:
            InputError: For the first setting that differs.
        """
        self.bank.check_extractor({"image_size": image_size})
        for name, wanted in scoring:
            used = getattr(self.scoring, name)
            if used != wanted:
                msg = (
                    f"The detector was fitted with scoring.{name} = {used!r}, not {wanted!r}: run from the "
                    f"category's node ldknn_density.fit_detector on, or set scoring.{name} back."
                )
                raise InputError(msg)

    def check_scores(self, fingerprints: Iterable[str]) -> None:
        """Check that this detector made some scores.

        Args:
            fingerprints: Fingerprints of the detectors that made them.

        Raises:
            InputError: If another one did.
        """
        if not {self.fingerprint}.issuperset(fingerprints):
            msg = (
                "The scores are those of another detector than is there now: run from the category's node "
                "evaluation.score_images on."
            )
            raise InputError(msg)

    def with_scoring(
        self, scoring: ScoringSettings, own: NearestPatches | None = None
    ) -> "MemoryBankDetector":
        """Copy the detector with other scoring settings; both share the neighbours of rows computed so far.

        Args:
            scoring: The settings.
            own: See :meth:`of`.

        Raises:
            InputError: As :meth:`of`.
        """
        other = self.of(self.bank, self.density, scoring, own)
        object.__setattr__(other, "_graph", self.__dict__["_graph"])
        return other

    def lean(self) -> "MemoryBankDetector":
        """Copy the detector so that it searches no more rows for a patch than its scorer reads."""
        fewest = self.scoring.model_copy(update={"max_neighbors": self.scoring.n_neighbors})
        return replace(self, scoring=fewest)

    def search(
        self, patches: Iterable[tuple[str, np.ndarray]], device: str = "cpu"
    ) -> NearestPatches:
        """Find the nearest coreset rows of every patch, enough for any K up to K_max.

        Args:
            patches: (image id, float32 [h, w, channels]) of each image, as extracted.
            device: See :class:`reb_pipeline.search.index.NeighborIndex`.

        Raises:
            InputError: If there are no images, or fewer coreset rows than neighbours to find.
        """
        return search_images(patches, self.bank, self.scoring.search_depth, device)

    def mean_feature(self, grid: np.ndarray) -> np.ndarray:
        """Compute the mean patch feature of an image as :meth:`search` gives it, float32 [channels], without a search.

        Args:
            grid: float32 [h, w, channels], as extracted.
        """
        patches = self.bank.space.apply(inside(grid, self.bank.region))
        mean: np.ndarray = patches.reshape(-1, patches.shape[-1]).mean(axis=0)
        return mean

    def score(self, found: NearestPatches) -> Detection:
        """Score patches, and images by their patches.

        Args:
            found: Result of :meth:`search`.

        Raises:
            InputError: If another coreset was searched, fewer than K rows were found for each patch, or the grids have
                another shape than those of the good images.
        """
        self.density.check_searched(found)
        of_patches = self._patch_scores(found)
        chosen = IMAGE_SCORES[self.scoring.image_score]
        if chosen.compares_neighbors:
            of_images = chosen.score(found, self)
        else:
            together = image_scores if self.zones is None else self.zones.image_scores
            of_images = together(of_patches, self.scoring)
        region, distances, added = self.bank.region, None, None
        if self.global_branch is not None:
            added = self.global_branch.scores(found, region)
            of_images = of_images + added
        if self.scoring.anomaly_map == "distance":
            distances = on_grid(found.squared_distances[..., 0], region)
            if self.zones is not None:
                distances = self.zones.standardize_distances(distances)
        scores = of_images, of_patches, distances, region, added
        return Detection(found.image_ids, *scores, found.mean_features)

    def detect(self, images: PatchSource, device: str = "cpu") -> Detection:
        """Search the patches of images and score them.

        Raises:
            InputError: As :meth:`search` and :meth:`score`, or if another network made the features.
        """
        self.bank.check_extractor(provenance_of(images))
        return self.score(self.search(images.patches(), device))

    def nearest_rows(self, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest other coreset rows of each coreset row.

        Args:
            n_neighbors: K.

        Returns:
            Squared Euclidean distances, ascending, float32, and row numbers, int64, [coreset rows, K] each.

        Raises:
            InputError: If the coreset has no more than K rows.
        """
        n_rows = len(self.features)
        if n_neighbors >= n_rows:
            msg = (
                f"Each coreset row needs {n_neighbors} others but the coreset has {n_rows} rows: "
                f"lower scoring.n_neighbors or raise memory_bank.coreset_ratio."
            )
            raise InputError(msg)
        graph: list[np.ndarray] = self.__dict__["_graph"]
        if not graph or graph[0].shape[1] < n_neighbors:
            k = min(max(n_neighbors, self.scoring.max_neighbors), n_rows - 1)
            graph[:] = nearest_other_rows(self.features, np.arange(n_rows), self.features, k)
        return graph[0][:, :n_neighbors], graph[1][:, :n_neighbors]

    def _good_scores(self, own: NearestPatches | None, least_images: int) -> GoodScores | None:
        """Measure the scores of good patches by position, if the settings ask for it and there are enough images."""
        if self.scoring.normalization == "none":
            return None
        own = searched(own, "normalization", self)
        is_enough = enough_images(len(own.image_ids), least_images, "normalization")
        return GoodScores.of(self._patch_scores(own)) if is_enough else None

    def _zones(self, own: NearestPatches | None, least_images: int) -> Zones | None:
        """Measure the scores of good images by zone, if the settings ask for it."""
        if self.scoring.zones is None:
            return None
        own = searched(own, "zones", self)
        check_images(len(own.image_ids), least_images)
        distances = on_grid(own.squared_distances[..., 0], self.bank.region)
        return Zones.fit(self.scoring.zones, self._patch_scores(own), distances, self.scoring)

    def _global_branch(self, own: NearestPatches | None, least_images: int) -> GlobalBranch | None:
        """Fit the global branch, if the settings ask for it and there are enough images."""
        name = self.scoring.global_branch
        if name == "none":
            return None
        own = searched(own, "global_branch", self)
        if not enough_images(len(own.image_ids), least_images, "global_branch"):
            return None
        return GlobalBranch.fit(name, own, self.bank, self.score(own).image_scores)

    def _patch_scores(self, found: NearestPatches) -> np.ndarray:
        """Score patches in the units of position and zone, float32 [images, h, w]; NaN outside of the region."""
        scores = on_grid(patch_scores(found, self), self.bank.region)
        if self.good_scores is not None:
            scores = self.good_scores.standardize(scores)
        return scores if self.zones is None else self.zones.standardize(scores)
