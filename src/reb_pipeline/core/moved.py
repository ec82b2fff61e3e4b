"""Moved modules and names: a request for a former path raises an error that gives the present one."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

from reb_pipeline.core.errors import InputError

PACKAGE = "reb_pipeline."
# Former path -> present path, both without the package's name. An entry covers a package with all its modules, a
# module with all its names, or one name that did not move with its module or was renamed.
MOVED: dict[str, str] = {
    "arrays_file": "core.records",
    "calibration.surprise": "scoring.surprise",
    "config_loader": "parameters.loader",
    "datasets.ImageCollection": "images.collection.ImageCollection",
    "datasets.Sample": "images.collection.Sample",
    "datasets.UnavailableImages": "images.collection.UnavailableImages",
    "datasets.UnreadableImageError": "images.decoding.UnreadableImageError",
    "datasets.atomic": "core.atomic",
    "datasets.atomic_s3": "core.atomic_s3",
    "datasets.benchmark_folders": "datasets",
    "datasets.image_collection": "images.collection",
    "datasets.image_folders": "datasets.layouts.base",
    "datasets.loose_images": "images.collection",
    "datasets.one_vs_rest": "datasets.layouts.one_vs_rest",
    "datasets.one_vs_rest.CIFAR10Dataset": "datasets.CIFAR10Dataset",
    "datasets.one_vs_rest.FashionMNISTDataset": "datasets.FashionMNISTDataset",
    "datasets.one_vs_rest.MNISTDataset": "datasets.MNISTDataset",
    "datasets.packed_files": "datasets.layouts.packed_files",
    "datasets.packed_images": "images.packed",
    "datasets.split_folders": "datasets",
    "datasets.split_folders.SplitFolderBase": "datasets.layouts.seeded_split.SplitFolderBase",
    "datasets.splits": "datasets.layouts.seeded_split",
    "detectors.memory_bank": "scoring.detector",
    "detectors.memory_bank.SearchedBank": "scoring.detector.MemoryBankDetector",
    "device": "core.device",
    "errors": "core.errors",
    "errors.insist_known": "core.errors.check_known",
    "features.resize": "images.resize",
    "finetuning.adapt.adapt_backbone": "finetuning.adapt.finetune_backbone",
    "finetuning.settings.FinetuneSettings": "finetuning.settings.TrainingSettings",
    "folder_files": "core.folder_files",
    "hooks": "project.hooks",
    "image_suffixes": "images.folder",
    "images.TooManyPixelsError": "images.decoding.TooManyPixelsError",
    "images.UnknownFormatError": "images.decoding.UnknownFormatError",
    "images.UnreadableImageError": "images.decoding.UnreadableImageError",
    "images.decode_image": "images.decoding.decode_image",
    "images.to_rgb": "images.decoding.to_rgb",
    "inspection.images": "images.decoding",
    "inspection.parity.Trained": "scoring.detector.MemoryBankDetector",
    "inventory": "images.inventory",
    "inventory.HOLD_OUT_EVERY": "images.samples.HOLD_OUT_EVERY",
    "inventory.good_finetuning": "images.samples.good_finetuning",
    "inventory.good_training": "images.samples.good_training",
    "inventory.held_out_good": "images.samples.held_out_good",
    "loose_images": "images.folder",
    "neighbors.alpha": "scoring.alpha",
    "neighbors.bank": "memory_bank.bank",
    "neighbors.bounds": "search.bounds",
    "neighbors.coreset": "memory_bank.coreset",
    "neighbors.coreset_on_device": "search.k_center_on_device",
    "neighbors.density": "memory_bank.density",
    "neighbors.distances": "memory_bank.distances",
    "neighbors.flat": "search.flat",
    "neighbors.held_out": "memory_bank.held_out",
    "neighbors.image_scores": "scoring.image_scores",
    "neighbors.image_scores.ImageScoreSettings": "scoring.settings.ImageScoreSettings",
    "neighbors.index": "search.index",
    "neighbors.k_center": "search.k_center",
    "neighbors.maps": "scoring.anomaly_maps",
    "neighbors.multi_step": "search.multi_step",
    "neighbors.on_device": "search.on_device",
    "neighbors.scorers": "scoring.patch_scores",
    "neighbors.scoring": "scoring.ldknn",
    "neighbors.search": "memory_bank.nearest_patches",
    "neighbors.search.nearest_neighbors": "search.index.nearest_neighbors",
    "neighbors.search.nearest_other_rows": "search.index.nearest_other_rows",
    "neighbors.update": "memory_bank.update",
    "network_weights": "core.network_weights",
    "parameters.BankUpdateParams": "parameters.sections.BankUpdateParams",
    "parameters.CalibrationParams": "parameters.sections.CalibrationParams",
    "parameters.ComputeParams": "parameters.sections.ComputeParams",
    "parameters.DefectSynthesisParams": "defectmaker.settings.DefectSynthesisSettings",
    "parameters.DriftParams": "parameters.sections.DriftParams",
    "parameters.EvaluationParams": "parameters.sections.EvaluationParams",
    "parameters.FeatureParams": "features.settings.FeatureSettings",
    "parameters.FeatureReconstructionParams": "reconstruction.settings.FeatureReconstructionSettings",
    "parameters.FinetuneBudget": "finetuning.settings.FinetuneBudget",
    "parameters.IngestionParams": "parameters.sections.IngestionParams",
    "parameters.InspectionParams": "parameters.sections.InspectionParams",
    "parameters.MemoryBankParams": "memory_bank.settings.MemoryBankSettings",
    "parameters.PixelReconstructionParams": "reconstruction.settings.PixelReconstructionSettings",
    "parameters.SSLFinetuneParams": "finetuning.settings.SSLFinetuneSettings",
    "parameters.ScoringParams": "scoring.settings.ScoringSettings",
    "parameters.Section": "core.settings.Settings",
    "parameters.SummaryParams": "parameters.sections.SummaryParams",
    "parameters.TrainingParams": "reconstruction.settings.ReconstructionSettings",
    "per_category_parameters": "parameters.per_category",
    "pipelines.good_images": "defectmaker.good_images",
    "pipelines.image_search": "detectors.sources.images",
    "pipelines.map_scoring": "scoring.detection",
    "pipelines.patch_scoring": "scoring.detector",
    "pipelines.per_category": "pipelines.namespaces",
    "pipelines.pixel_reconstruction.examples": "reconstruction.examples",
    "pipelines.selection.nodes.judge_candidates": "pipelines.selection.nodes.rank_candidates",
    "pipelines.studies.candidates": "studies.candidates",
    "pipelines.studies.candidates.judge_candidates": "studies.candidates.rank_candidates",
    "pipelines.studies.choices": "studies.choices",
    "pipelines.studies.encoder": "detectors.sources.encoder",
    "pipelines.studies.fresh": "detectors.sources.images",
    "pipelines.studies.fresh.FreshFeatures": "detectors.sources.images.RoundedFeatures",
    "pipelines.studies.measure": "studies.measure",
    "pipelines.studies.measure.CellMeter": "studies.measure.Evaluator",
    "pipelines.studies.representations.CategoryFeatures": "studies.category_features.CategoryFeatures",
    "pipelines.studies.searches": "studies.searches",
    "pipelines.studies.searches.KeptBank": "studies.searches.FittedBank",
    "pipelines.studies.searches.SearchBench": "studies.searches.Searches",
    "pipelines.studies.sections": "studies.sections",
    "pipelines.studies.sections.Sections": "studies.sections.StudySections",
    "pipelines.studies.sources": "detectors.sources.cached",
    "pipelines.studies.workbench": "studies.experiment",
    "pipelines.studies.workbench.Workbench": "studies.experiment.Experiment",
    "pipelines.studies_alpha": "pipelines.studies.alpha",
    "pipelines.studies_arms": "pipelines.studies.arms",
    "pipelines.studies_coreset": "pipelines.studies.coreset",
    "pipelines.studies_detectors": "pipelines.studies.detectors",
    "pipelines.studies_few_shot": "pipelines.studies.few_shot",
    "pipelines.studies_neighbors": "pipelines.studies.neighbors",
    "pipelines.studies_paradigms": "pipelines.studies.paradigms",
    "pipelines.studies_representations": "pipelines.studies.representations",
    "pipelines.studies_selection": "pipelines.studies.selection",
    "progress": "core.progress",
    "project.configuration_folder": "core.configuration.configuration_folder",
    "runners": "project.runners",
    "session": "project.session",
    "studies.cache": "core.content_cache",
    "studies.cells": "parameters.configurations",
    "studies.cells.Cell": "parameters.configurations.Configuration",
    "study_parameters": "parameters.studies",
    "training": "core.resumable_training",
}
# Removed packages whose modules moved to several places: the package itself has no single new path.
DISSOLVED = {"neighbors"}
# Modules of which names or submodules have moved.
LEFT = {former.rpartition(".")[0] for former in MOVED}


class MovedError(InputError, ModuleNotFoundError):
    """Error of a request for a module or name by its former path."""


class LeftLoader(SourceFileLoader):
    """Loader of a module that some names have left; the module raises :class:`MovedError` for them."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, and give it a ``__getattr__`` unless it has its own."""
        super().exec_module(module)

        def missing(name: str) -> Any:
            raise no_attribute(module.__name__, name)

        vars(module).setdefault("__getattr__", missing)


class MovedFinder:
    """Finder of ``sys.meta_path`` that raises an error for imports of moved modules.

    It must be the first finder: Python takes a folder that holds only ``__pycache__``, as git leaves it, for a package.
    """

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find removed packages, which are empty, and modules that names have left; None for anything else.

        Raises:
            MovedError: If the module has moved.
        """
        former = fullname.removeprefix(PACKAGE)
        if former == fullname:
            return None
        if former in MOVED:
            raise moved(fullname)
        if former in DISSOLVED:
            return ModuleSpec(fullname, None, is_package=True)
        spec = PathFinder.find_spec(fullname, path) if former in LEFT else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = LeftLoader(fullname, spec.loader.path)
        return spec


def install() -> None:
    """Register the finder, once."""
    if MovedFinder not in sys.meta_path:
        sys.meta_path.insert(0, MovedFinder)


def present_path(path: str) -> str | None:
    """Find the present path of a moved module or name; None if it has not moved.

    The path exists: for a name that its module no longer has, it is the path of the module.

    Args:
        path: Former dotted path of a module, or of a name in it.
    """
    known, rest = path.removeprefix(PACKAGE), ""
    if known == path:
        return None
    while known not in MOVED:
        known, dot, last = known.rpartition(".")
        if not dot:
            return None
        rest = f".{last}{rest}"
    present = f"{PACKAGE}{MOVED[known]}"
    while rest and not _exists(f"{present}{rest}"):
        rest = rest.rpartition(".")[0]
    return f"{present}{rest}"


def _exists(path: str) -> bool:
    try:
        resolve_name(path)
    except (AttributeError, ImportError):
        return False
    return True


def moved(path: str) -> MovedError:
    """Build the error for a path that has moved.

    Args:
        path: Former dotted path of a module, or of a name in it.
    """
    others: dict[str, list[str]] = {}
    for former, present in MOVED.items():
        module, _, name = former.rpartition(".")
        if PACKAGE + module == path:
            home, _, present_name = present.rpartition(".")
            others.setdefault(home if present_name == name else present, []).append(name)
    besides = "".join(
        f", its {', '.join(names)} to {PACKAGE}{home}" for home, names in others.items()
    )
    return MovedError(
        f"{path} has moved to {present_path(path)}{besides}: change the import, the catalog entry or the option that "
        "names it."
    )


def no_attribute(module: str, name: str) -> AttributeError | MovedError:
    """Build the error for a name that a module does not have; used by the module's ``__getattr__``."""
    if f"{module}.{name}".removeprefix(PACKAGE) in MOVED:
        return moved(f"{module}.{name}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
