"""Parameters of a category that a study starts from, and their replacement by a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from reb_pipeline.core.errors import check_known
from reb_pipeline.core.settings import Settings, validated
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.configurations import IMAGENET, Configuration
from reb_pipeline.parameters.per_category import CATEGORY_SECTIONS
from reb_pipeline.parameters.sections import (
    ComputeParams,
    EvaluationParams,
    IngestionParams,
)
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.scoring.settings import MEMORY_BANK, ScoringSettings

# Field of a configuration -> section and name of the parameter that it replaces.
PLACES = {
    "backbone": ("features", "backbone"),
    "image_size": ("features", "image_size"),
    "neck": ("features", "neck"),
    "distance": ("memory_bank", "distance"),
    "coreset_ratio": ("memory_bank", "coreset_ratio"),
    "light_copies": ("memory_bank", "light_copies"),
    "turned_copies": ("memory_bank", "turned_copies"),
    "seed": ("memory_bank", "seed"),
    "detector": ("scoring", "scorer"),
    "n_neighbors": ("scoring", "n_neighbors"),
    "alpha": ("scoring", "alpha"),
    "form": ("scoring", "form"),
    "image_score": ("scoring", "image_score"),
    "normalization": ("scoring", "normalization"),
    "global_branch": ("scoring", "global_branch"),
    "anomaly_map": ("scoring", "anomaly_map"),
    "feature_loss": ("feature_reconstruction", "loss"),
    "fusion": ("feature_reconstruction", "fusion"),
    "pixel_loss": ("pixel_reconstruction", "loss"),
}
BANK_SCORER = "ldknn"  # scorer of the memory bank in other detectors
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class StudySections:
    """Parameters of a category; the defaults are for notebooks, a run takes all values from the YAML.

    Attributes:
        representations: Name of a representation -> values that differ from ``defect_synthesis``.

    Example:
        >>> sections = StudySections()
        >>> changes = {"representation": "imagenet", "n_neighbors": 9}
        >>> configuration = Configuration(**{**sections.defaults(), **changes})
        >>> sections.under(configuration).scoring.n_neighbors
        9
    """

    ingestion: IngestionParams = IngestionParams(max_unreadable_share=0.02)
    features: FeatureSettings = FeatureSettings()
    defect_synthesis: DefectSynthesisSettings = DefectSynthesisSettings()
    ssl_finetune: SSLFinetuneSettings = SSLFinetuneSettings()
    memory_bank: MemoryBankSettings = MemoryBankSettings()
    scoring: ScoringSettings = ScoringSettings()
    feature_reconstruction: FeatureReconstructionSettings = FeatureReconstructionSettings()
    pixel_reconstruction: PixelReconstructionSettings = PixelReconstructionSettings()
    evaluation: EvaluationParams = EvaluationParams(
        pro_fpr_limit=0.3, spro_fpr_limit=0.05, pixel_resolution="image", examples_per_kind=3
    )
    compute: ComputeParams = ComputeParams(device="auto", memory_gib=4.0)
    representations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: Mapping[str, Any], category: str) -> "StudySections":
        """Read the sections of a category from all parameters.

        Args:
            parameters: See :func:`reb_pipeline.parameters.per_category.expand_parameters`.
            category: Name of the category.

        Raises:
            InputError: If a value cannot be used.
        """
        names = [one.name for one in fields(cls) if one.name in CATEGORY_SECTIONS]
        sections: dict[str, Any] = {
            name: validated(CATEGORY_SECTIONS[name], parameters[category][name], name)
            for name in names
        }
        return cls(
            **sections,
            compute=validated(ComputeParams, parameters["compute"], "compute"),
            representations=parameters["studies"]["representation_defects"],
        )

    def defaults(self) -> dict[str, Any]:
        """Return the fields of the configuration that these sections describe."""
        values = {
            name: getattr(getattr(self, section), parameter)
            for name, (section, parameter) in PLACES.items()
        }
        representation = "defectmaker" if self.ssl_finetune.enabled else IMAGENET
        return {**values, "representation": representation, "shots": None}

    def under(self, configuration: Configuration) -> "StudySections":
        """Replace the parameters that a configuration sets; its seed is used in every step.

        Another backbone comes with its ImageNet weights, layers and width. Other values are checked only when they are
        read, so that a detector is not refused for an image score that it does not read.

        Raises:
            InputError: If the configuration's features cannot be made.
        """
        given = configuration.settings()
        changed: dict[str, dict[str, Any]] = {}
        for name, (section, parameter) in PLACES.items():
            changed.setdefault(section, {})[parameter] = given[name]
        if configuration.backbone != self.features.backbone:
            changed["features"] |= {"weights": "imagenet", "layers": None, "width": None}
            changed["feature_reconstruction"]["layers"] = None
        scoring = changed["scoring"]
        if configuration.detector not in SCORERS:
            scoring["scorer"] = BANK_SCORER
        scoring["detector"] = MEMORY_BANK  # the configuration names the detector
        scoring["max_neighbors"] = max(self.scoring.max_neighbors, configuration.n_neighbors)
        changed["feature_reconstruction"]["seed"] = configuration.seed
        changed["pixel_reconstruction"]["seed"] = configuration.seed
        is_finetuned = configuration.representation != IMAGENET
        changed["ssl_finetune"] = {"enabled": is_finetuned, "seed": configuration.seed}
        copies: dict[str, Any] = {
            section: getattr(self, section).model_copy(update=values)
            for section, values in changed.items()
        }
        copies["features"] = checked(copies["features"], "features")
        return replace(self, defect_synthesis=self._defects(configuration), **copies)

    def _defects(self, configuration: Configuration) -> DefectSynthesisSettings:
        """Make the settings of the synthetic defects for fine-tuning; those of the category without fine-tuning."""
        name = configuration.representation
        if name == IMAGENET:
            return self.defect_synthesis
        check_known([name], [IMAGENET, *self.representations], "Representation of a study")
        values = self.defect_synthesis.model_dump() | {
            **self.representations[name],
            "seed": configuration.seed,
        }
        return validated(DefectSynthesisSettings, values, f"Representation {name!r}")


def checked(settings: S, name: str) -> S:
    """Check settings after a configuration replaced some values.

    Raises:
        InputError: For the first value that cannot be used.
    """
    return validated(type(settings), settings.model_dump(), name)
