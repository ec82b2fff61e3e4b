"""Checks before a run, in one sentence each."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DatasetError, MemoryDataset

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.storage import check_writable
from reb_pipeline.parameters.per_category import SHARED_SECTIONS
from reb_pipeline.pipelines.namespaces import (
    ALL_PARAMETERS,
    COMPUTE,
    RAW_IMAGES,
    TOLERATES_MISSING_DATA,
)
from reb_pipeline.project.kept_aspects import keep_aspects
from reb_pipeline.project.named_detector import check_detector
from reb_pipeline.project.packaging_checks import check_packaging
from reb_pipeline.project.pose_checks import check_pose
from reb_pipeline.project.provenance import is_parameter
from reb_pipeline.project.shares_checks import check_shares
from reb_pipeline.project.zone_checks import OF_WHOLE_IMAGES, check_zones

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from reb_pipeline.images.channels import Channels
    from reb_pipeline.images.collection import Sample

logger = logging.getLogger(__name__)

# Section of the parameters -> (function that returns its folder or list of images, their relation to a category).
FOLDERS: dict[str, tuple[Callable[[Any, str], str | None], str]] = {
    "calibration": (lambda params, _: params.folder, "good parts of"),
    "bank_update": (lambda params, _: params.add, "added to"),
    "ingestion": (lambda params, _: params.leave_out, "left out of"),
    "inspection": (lambda params, category: params.folder(category), "inspected as"),
}


class PreflightHooks:
    """Checks of a run before it starts; a run that cannot work is refused in one sentence."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Check the chosen versions, the inputs that no node of this run makes, and the backbones.

        Raises:
            InputError: If an input or its version is missing or a backbone cannot be used. Studies need only one
                category.
        """
        _check_versions(run_params.get("load_versions") or {}, catalog)
        self._check_folders(pipeline, catalog)
        missing: dict[str, InputError] = {}
        inputs = sorted(filter(lambda n: not is_parameter(n), pipeline.inputs()))
        for name in inputs:
            dataset = catalog[name]
            if hasattr(dataset, "check"):  # raw images describe the problem with their folder
                try:
                    dataset.check()
                except InputError as error:
                    if not _is_tolerated(name, pipeline):
                        raise
                    missing[name] = error
            elif not dataset.exists():
                path = getattr(dataset, "_filepath", None)
                where = f", in '{path}'" if path else ""
                msg = f"Dataset {name!r} is not there yet{where}: {_remedy(name)}."
                raise InputError(msg)
        if missing and len(missing) == sum(name.endswith(RAW_IMAGES) for name in inputs):
            raise next(iter(missing.values()))
        self._check_outputs(pipeline, catalog)

        @cache  # listing a large or distant folder takes time
        def list_samples(name: str) -> "list[Sample]":
            return catalog[name].load().samples

        there = [name for name in inputs if name not in missing]
        keep_aspects(pipeline, catalog, missing)
        check_pose(pipeline, catalog)
        self._check_regions(pipeline, catalog, there, list_samples)
        check_zones(pipeline, catalog, list_samples)
        self._check_test_images(pipeline, there, list_samples)
        self._stand_in(missing, catalog)
        self._check_device(pipeline, catalog)
        self._check_backbones(pipeline, catalog)
        self._check_finetuning(pipeline, catalog)
        self._check_sources(pipeline, catalog)
        check_packaging(pipeline, catalog)
        self._check_left_out(pipeline, catalog, list_samples)
        check_detector(pipeline, catalog)
        check_shares(pipeline, catalog, list_samples)

    @staticmethod
    def _check_outputs(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Check that the outputs can be written.

        Raises:
            StorageError: If a folder of theirs is read-only.
        """
        for name in sorted(pipeline.all_outputs()):
            dataset = catalog[name]
            if getattr(dataset, "_protocol", None) in ("file", "local"):
                check_writable(str(dataset._filepath))

    @staticmethod
    def _check_left_out(
        pipeline: "Pipeline",
        catalog: "CatalogProtocol",
        list_samples: "Callable[[str], list[Sample]]",
    ) -> None:
        """Check the lists of images to leave out, and golden images, before all images are opened.

        Raises:
            InputError: If one cannot be read, or a list names an image that cannot be left out.
        """
        import pandas as pd

        from reb_pipeline.images.channels import Channels
        from reb_pipeline.images.leave_out import leave_out
        from reb_pipeline.images.posed import golden_image

        for name in _parameters_of("ingestion", pipeline):
            category = name.removeprefix("params:").removesuffix(".ingestion")
            params = catalog[name].load()
            golden_image(params.golden, channels=Channels.of_setting(params.channels))
            path = params.leave_out
            if path is not None and f"{category}.inventory" in pipeline.all_outputs():
                samples = list_samples(f"{category}{RAW_IMAGES}")
                columns = ("id", "split", "label")
                rows = [[getattr(one, column) for column in columns] for one in samples]
                leave_out(pd.DataFrame(rows, columns=columns), path)

    @staticmethod
    def _check_test_images(
        pipeline: "Pipeline",
        names: Iterable[str],
        list_samples: "Callable[[str], list[Sample]]",
    ) -> None:
        """Check before the training that a category has test images where test images are scored.

        Raises:
            InputError: If it has none.
        """
        outputs = pipeline.all_outputs()
        for name in filter(lambda name: name.endswith(RAW_IMAGES), names):
            category = name.removesuffix(RAW_IMAGES)
            is_tested = any(
                output.endswith(f"metrics_{category}") or output == f"{category}.nearest_patches"
                for output in outputs
            )
            if is_tested and not any(one.split == "test" for one in list_samples(name)):
                msg = (
                    f"Category {category!r} has no test images, so that evaluation would have nothing to score: add "
                    f"some (good ones give scores, maps and false alarms, defective ones metrics too), or only train, "
                    f"by `kedro run --to-nodes={category}.calibration.calibrate`."
                )
                raise InputError(msg)

    @staticmethod
    def _check_regions(
        pipeline: "Pipeline",
        catalog: "CatalogProtocol",
        names: Iterable[str],
        list_samples: "Callable[[str], list[Sample]]",
    ) -> None:
        """Check that region of interest and empty field of each category can be used, and fit its first image.

        Raises:
            InputError: If a mask or a photo of the empty field cannot be used, the image has another aspect, or a
                pipeline looks at whole images.
        """
        from reb_pipeline.features.settings import FeatureSettings
        from reb_pipeline.images.decoding import UnreadableImageError
        from reb_pipeline.images.region import FOUND

        for parameters in sorted(_read_for_categories("features", pipeline)):
            features = FeatureSettings.model_validate(catalog[parameters].load())
            if features.region is None and features.empty_field is None:
                continue
            category = parameters.removeprefix("params:").removesuffix(".features")
            for node in pipeline.nodes:
                owner, _, rest = (node.namespace or "").partition(".")
                is_limited = features.region is not None and owner == category
                if is_limited and rest.split(".")[0] in OF_WHOLE_IMAGES:
                    msg = (
                        f"The pipeline {rest} looks at whole images: set features.region of {category} to null, or "
                        f"leave this pipeline out."
                    )
                    raise InputError(msg)
            # A region that is to be found is checked by the node that finds it.
            region = None if features.region == FOUND else features.looked_at
            of_field = [one for one in (region, features.shading) if one is not None]
            name = f"{category}{RAW_IMAGES}"
            samples = list_samples(name) if name in names else []
            with suppress(UnreadableImageError):  # the audit names it
                for sample in samples[:1] if of_field else ():
                    shape = catalog[name].load().open_image(sample.path).shape
                    for one in of_field:
                        one.check(shape)

    @staticmethod
    def _stand_in(missing: dict[str, InputError], catalog: "CatalogProtocol") -> None:
        """Replace missing categories, so that studies continue without them."""
        from reb_pipeline.images.collection import UnavailableImages

        for name, reason in missing.items():
            category = name.removesuffix(RAW_IMAGES)
            logger.warning("%s is not available: %s", category, reason)
            catalog[name] = MemoryDataset(UnavailableImages(category, str(reason)))

    @staticmethod
    def _check_folders(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Check that each folder of images in the parameters belongs to one category."""
        for section, (folder_of, purpose) in FOLDERS.items():
            belongs_to: dict[str, str] = {}
            for name in sorted(_parameters_of(section, pipeline)):
                category = name.removeprefix("params:").removesuffix(f".{section}")
                folder = folder_of(catalog[name].load(), category)
                if folder is None:
                    continue
                other = belongs_to.setdefault(folder, category)
                if other != category:
                    msg = (
                        f"The images in '{folder}' would be {purpose} {other} and {category}: add "
                        f"--namespaces={other}, or give each category its own under {section}.per_category."
                    )
                    raise InputError(msg)

    @staticmethod
    def _check_device(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        if {COMPUTE, ALL_PARAMETERS} & pipeline.inputs():
            from reb_pipeline.parameters.sections import ComputeParams

            # A plain dictionary if no node of the run reads it.
            compute = ComputeParams.model_validate(catalog[COMPUTE].load())
            # Other devices cannot fail, and PyTorch is slow to import.
            if compute.device.startswith("cuda"):
                compute.processor()

    @staticmethod
    def _check_finetuning(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Check that the images of a pass of the fine-tuning fit into the memory."""
        if not any(output.endswith(".backbone") for output in pipeline.all_outputs()):
            return
        from reb_pipeline.core.memory import check_images_fit

        for name in _parameters_of("ssl_finetune", pipeline):
            settings = catalog[name].load()
            defects = catalog[name.replace(".ssl_finetune", ".defect_synthesis")].load()
            budget, names = settings.chosen, f"ssl_finetune.{settings.budget}"
            if settings.enabled:
                n_images = budget.images_per_pass * (1 + len(defects.kinds()))
                both = f"{names}.image_size or {names}.images_per_pass"
                check_images_fit(n_images, budget.image_size, both)

    @staticmethod
    def _check_sources(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Open the sources of saliency and textures, and list the folders of good images."""
        for name in _read_for_categories("defect_synthesis", pipeline):
            from reb_pipeline.defectmaker.saliency import saliency_estimator
            from reb_pipeline.defectmaker.settings import DefectSynthesisSettings

            params = DefectSynthesisSettings.model_validate(catalog[name].load())
            saliency_estimator(params.saliency, params.saliency_source)
            params.textures()
        for name in _parameters_of("calibration", pipeline):
            folder = catalog[name].load().folder
            if folder is not None:
                from reb_pipeline.images.folder import list_images

                filesystem, found = list_images(folder)
                category = name.removeprefix("params:").removesuffix(".calibration")
                if f"{category}.memory_bank" in pipeline.all_outputs():  # hours of work come first
                    learnt = catalog[f"{category}{RAW_IMAGES}"].load().channels
                    _check_readable(filesystem, found.images, folder, learnt)

    @staticmethod
    def _check_backbones(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        used = [
            catalog[name].load()
            for node in pipeline.nodes
            if any(output.endswith((".backbone", ".feature_decoder")) for output in node.outputs)
            for name in node.inputs
            if is_parameter(name) and name.endswith(".features")
        ]
        if used:
            import torch

            from reb_pipeline.features.extractor import PatchExtractor

            threads = torch.get_num_threads()
            # A thread pool created here would block the processes that ParallelRunner forks.
            torch.set_num_threads(1)
            try:
                for index, settings in enumerate(used):
                    if settings not in used[:index]:  # lists among them cannot be hashed
                        PatchExtractor(settings.with_region(None))
            finally:
                torch.set_num_threads(threads)


def _check_versions(chosen: Mapping[str, str], catalog: "CatalogProtocol") -> None:
    """Check that the versions given by ``--load-versions`` are stored.

    Raises:
        InputError: If one is not, or its dataset has no versions.
    """
    for name, version in chosen.items():
        dataset: Any = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset) or not dataset._version:
            msg = f"Dataset {name!r} has no versions: leave it out of --load-versions."
            raise InputError(msg)
        if dataset._exists_function(str(dataset._get_versioned_path(version))):
            continue
        try:
            there = dataset.list_versions(full_path=False)
        except DatasetError:
            there = []
        known = f"there are {', '.join(sorted(there))}" if there else "none is stored yet"
        msg = f"Version {version!r} of dataset {name!r} is not stored: {known}."
        raise InputError(msg)


def _check_readable(
    filesystem: Any, paths: Iterable[str], folder: str, channels: "Channels | None"
) -> None:
    """Decode every image of a calibration folder; their range of values is known only after the training.

    Raises:
        InputError: If one cannot be read.
    """
    from reb_pipeline.images.decoding import decode_image
    from reb_pipeline.images.folder import read_file

    for path in paths:
        name = f"'{path}' in calibration.folder = '{folder}'"
        try:
            data = read_file(filesystem, path)
        except OSError as error:
            msg = f"Image {name} cannot be read ({error}): replace the file, or take it out of the data."
            raise InputError(msg) from error
        decode_image(data, name, channels=channels)


def _remedy(name: str) -> str:
    """Name the command that makes a dataset."""
    from kedro.framework.project import pipelines  # reads the settings of the project

    for pipeline in pipelines.values():
        for node in pipeline.nodes:
            if name in node.outputs:
                return f"run its node first, `kedro run --nodes {node.name}`, or the pipeline that it is in"
    return "run the pipeline that makes it first, or plain `kedro run`"


def _parameters_of(section: str, pipeline: "Pipeline") -> set[str]:
    """List the names of the parameters of a section, one per category that a node reads."""
    return {
        name
        for name in pipeline.inputs()
        if is_parameter(name)
        and name.endswith(f".{section}")
        # A study may have the name of a section.
        and name.removeprefix("params:").split(".")[0] not in SHARED_SECTIONS
    }


def _read_for_categories(section: str, pipeline: "Pipeline") -> set[str]:
    """List the names of the parameters of a section, by category, that nodes read alone or with all others."""
    with_others = {node.namespace for node in pipeline.nodes if ALL_PARAMETERS in node.inputs}
    of_all = {f"params:{one.split('.')[0]}.{section}" for one in with_others if one}
    return _parameters_of(section, pipeline) | of_all


def _is_tolerated(name: str, pipeline: "Pipeline") -> bool:
    """Check that all nodes that read a dataset can run without it."""
    return all(
        TOLERATES_MISSING_DATA in node.tags for node in pipeline.nodes if name in node.inputs
    )
