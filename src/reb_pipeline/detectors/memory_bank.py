"""The patch scorers over one search of a memory bank: PatchCore, LDKNN and their kin."""

from dataclasses import dataclass, replace

import numpy as np

from reb_pipeline.core.errors import insist_known
from reb_pipeline.detectors.interface import Detection, FeatureSource
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import LocalDensity, measure_local_density
from reb_pipeline.memory_bank.distances import DISTANCES, FeatureSpace
from reb_pipeline.memory_bank.nearest_patches import search_images
from reb_pipeline.scoring.image_scores import ImageScoreSettings, judge
from reb_pipeline.scoring.patch_scores import SCORERS, Neighborhoods, search_depth


@dataclass(frozen=True)
class SearchedBank:
    """What is left of a memory bank once it is searched.

    Attributes:
        features: Rows of the coreset, float32 [rows, channels].
        density: Their local density.
        space: To which patches are brought before they are compared.
    """

    features: np.ndarray
    density: LocalDensity
    space: FeatureSpace

    @property
    def nbytes(self) -> int:
        """Bytes of rows, density and space."""
        space = self.space.mean.nbytes + self.space.whitening.nbytes
        return self.features.nbytes + self.density.squared_distances.nbytes + space

    def up_to(self, n_neighbors: int) -> "SearchedBank":
        """The same with no more of the density than scores of ``n_neighbors`` rows read."""
        squared = np.ascontiguousarray(self.density.squared_distances[:, :n_neighbors])
        return replace(self, density=replace(self.density, squared_distances=squared))

    def search(self, images: FeatureSource, depth: int, device: str) -> Neighborhoods:
        """Find the nearest rows of every patch.

        Args:
            images: The images.
            depth: Number of rows to find.
            device: See :class:`reb_pipeline.search.index.NeighborIndex`.

        Raises:
            InputError: If there are no images, or fewer rows than are to be found.
        """
        patches = ((image_id, self.space.apply(grid)) for image_id, grid in images.patches())
        found = search_images(patches, self.features, depth, device)
        return Neighborhoods(found, self.density, self.features)


class MemoryBankDetector:
    """Compares patches with those of good images (REB sections 3.3 and 3.4; PatchCore).

    Args:
        scorer: A key of :data:`reb_pipeline.scoring.patch_scores.SCORERS`.
        distance: A key of :data:`reb_pipeline.memory_bank.distances.DISTANCES`.
        coreset_ratio: Share of the bank's rows that are compared with, in (0, 1].
        n_neighbors: K of the scorer.
        max_neighbors: K_max, up to which :meth:`search` keeps neighbours; ``n_neighbors`` without it.
        alpha: Weight of the local density, of ``ldknn`` alone.
        form: A key of :data:`reb_pipeline.scoring.ldknn.SCORE_FORMS`, likewise.
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`, or ``reweighted``.
        image_score_settings: For the image scores that need some.
        seed: Of the coreset selection.
        device: Of coreset selection and search, see :class:`reb_pipeline.search.index.NeighborIndex`.

    Attributes:
        bank: What was learned.

    Raises:
        InputError: If the scorer or the distance is unknown.
    """

    def __init__(
        self,
        scorer: str,
        *,
        distance: str = "euclidean",
        coreset_ratio: float = 1,
        n_neighbors: int = 5,
        max_neighbors: int | None = None,
        alpha: float = 1,
        form: str = "subtract_squared",
        image_score: str = "block_max",
        image_score_settings: ImageScoreSettings | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        insist_known([scorer], list(SCORERS), "Scorer")
        insist_known([distance], list(DISTANCES), "Distance")
        self._scorer = scorer
        self._distance = distance
        self._coreset_ratio = coreset_ratio
        self._n_neighbors = n_neighbors
        self._max_neighbors = max_neighbors or n_neighbors
        self._alpha = alpha
        self._form = form
        self._image_score = image_score
        self._image_score_settings = image_score_settings or ImageScoreSettings()
        self._seed = seed
        self._device = device

    @property
    def nbytes(self) -> int:
        """Of the coreset and its density."""
        return self.bank.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Fill the memory bank, select the coreset, measure its local density.

        Raises:
            InputError: If there are too few patches for K_max, or the distance cannot be fitted on them.
        """
        bank = collect_patches(good.patches(), len(good.image_ids), {}, self._distance)
        coreset = select_coreset(bank, self._coreset_ratio, self._seed, device=self._device)
        density = measure_local_density(bank, coreset, self._max_neighbors, device=self._device)
        self.bank = SearchedBank(coreset.features(bank), density, bank.space)

    def search(self, images: FeatureSource) -> Neighborhoods:
        """Find the neighbours of every patch; any K up to K_max, alpha and form can be scored from them.

        The search of a scorer that reads K rows of a patch, such as ``knn``, serves every other scorer too.

        Raises:
            InputError: If there are no images, or fewer coreset rows than neighbours to find.
        """
        depth = search_depth(self._scorer, self._max_neighbors)
        return self.bank.search(images, depth, self._device)

    def detect(self, images: FeatureSource) -> Detection:
        """Search, then score patches and images.

        Raises:
            InputError: As :meth:`search`, or if K is too small for the scorer.
        """
        found = self.search(images)
        of_patches, of_images = judge(
            found,
            self._scorer,
            self._image_score,
            n_neighbors=self._n_neighbors,
            alpha=self._alpha,
            form=self._form,
            settings=self._image_score_settings,
        )
        return Detection(images.image_ids, of_images, of_patches)
