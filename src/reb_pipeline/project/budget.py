"""Budget of a model: the choice, without labels, of the most accurate configuration that keeps it on this machine."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from reb_pipeline import __version__
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_positive
from reb_pipeline.core.storage import writing
from reb_pipeline.project.front import Point, read_front
from reb_pipeline.project.photos import Category
from reb_pipeline.project.run_folder import RunFolder
from reb_pipeline.project.training import Training

IMAGENET = "imagenet"  # weights of a package or the library's download
RECORD = "budget.json"  # the choice, in the run folder
ALWAYS = {
    "features": {"layers": None, "width": None, "keep_aspect": None}
}  # in all configurations of the front
PHOTOS = 8  # good photos that are opened for the measurement


@dataclass(frozen=True)
class Budget:
    """Highest costs of a model.

    Attributes:
        max_ms: Milliseconds of an inspection, from a decoded photo to its score and map; None for any.
        max_mb: Size of the packaged model in MB; None for any.

    Raises:
        InputError: If one is no finite number above 0.
    """

    max_ms: float | None = None
    max_mb: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                checked_positive(value, f"The limit {name}")

    def __bool__(self) -> bool:
        return self.max_ms is not None or self.max_mb is not None

    @property
    def options(self) -> str:
        """Options of the command line that give it."""
        given = {"--max-ms": self.max_ms, "--max-mb": self.max_mb}
        return " ".join(f"{name} {value:g}" for name, value in given.items() if value is not None)


@dataclass
class Costs:
    """Costs of configurations on this machine; a time is measured when it is asked for.

    Attributes:
        milliseconds: Function that measures an inspection.
        megabytes: Function that estimates the size of the packaged model.
        measured: Times measured so far.
    """

    milliseconds: Callable[[Point], float]
    megabytes: Callable[[Point], float]
    measured: dict[Point, float] = field(default_factory=dict)

    def time(self, point: Point) -> float:
        """Measure an inspection once."""
        if point not in self.measured:
            self.measured[point] = self.milliseconds(point)
        return self.measured[point]

    def text(self, point: Point) -> str:
        """Describe a configuration with its costs and its accuracy on the development data."""
        time = f"{self.measured[point]:.1f} ms, " if point in self.measured else ""
        return f"{point}: {time}{self.megabytes(point):.1f} MB, image AUROC {point.image_auroc:.2f}"


@dataclass(frozen=True)
class Choice:
    """Chosen configuration, and its neighbours on the front.

    Attributes:
        point: The most accurate configuration that keeps the budget.
        better: The next one that is more accurate and does not keep it; None if there is none.
        cheaper: The next one that costs less; None if there is none.
    """

    point: Point
    better: Point | None
    cheaper: Point | None


def choose(points: Sequence[Point], budget: Budget, costs: Costs) -> Choice:
    """Choose the most accurate configuration that keeps a budget.

    The most accurate one is measured first. One that costs no less than another that was too slow is left out.

    Args:
        points: Configurations, the most accurate first.
        budget: The budget.
        costs: Costs of the configurations.

    Raises:
        InputError: If none keeps it.
    """
    left_out: list[Point] = []
    for index, point in enumerate(points):
        if any(point.costs_no_less(other) for other in left_out):
            continue
        if _keeps(point, budget, costs):
            better = left_out[-1] if left_out else None
            return Choice(point, better, _cheaper(points[index + 1 :], point, budget, costs))
        left_out.append(point)
    raise InputError(_refusal(budget, left_out, costs))


def _keeps(point: Point, budget: Budget, costs: Costs) -> bool:
    if budget.max_mb is not None and costs.megabytes(point) > budget.max_mb:
        return False
    return budget.max_ms is None or costs.time(point) <= budget.max_ms


def _cheaper(others: Sequence[Point], point: Point, budget: Budget, costs: Costs) -> Point | None:
    """Find the most accurate of others that costs less than a configuration, in time if the budget is one of time."""
    cost = costs.megabytes if budget.max_ms is None else costs.time
    possible = (one for one in others if not one.costs_no_less(point))
    return next((one for one in possible if cost(one) < cost(point)), None)


def _refusal(budget: Budget, tried: Sequence[Point], costs: Costs) -> str:
    smallest = min(tried, key=costs.megabytes)
    if not costs.measured:
        return (
            f"{budget.options} cannot be kept: the smallest model, of {smallest}, would have "
            f"{costs.megabytes(smallest):.1f} MB: give that much, or fewer photos."
        )
    quickest = min(costs.measured, key=costs.time)
    return (
        f"{budget.options} cannot be kept on this machine: the quickest configuration that was measured, "
        f"{costs.text(quickest)}, is too slow or too large: give a larger budget, fewer photos, or end other programs."
    )


def choose_within(
    budget: Budget,
    folder: RunFolder,
    categories: Sequence[Category],
    given: Mapping[str, Any],
    say: Callable[[str], Any],
) -> dict[str, Any]:
    """Choose the settings of a training that keep a budget; a training that goes on keeps those chosen before.

    Args:
        budget: The budget.
        folder: The run folder, which :func:`store` recorded an earlier choice in.
        categories: The categories; the one with the most photos decides.
        given: Settings of the training. They stay, so that the front is searched for the others.
        say: Shows a line.

    Returns:
        The record of the choice; ``settings`` are nested by section. Empty without a budget.

    Raises:
        InputError: If no model can have what is given, no configuration of the front has it, or none keeps the budget.
    """
    if not budget:
        return {}
    points = _possible(given, budget)  # before anything is measured
    asked = {
        "budget": asdict(budget),
        "given": given,
        "photos": {category.name: category.n_learnt for category in categories},
        "version": __version__,
    }
    recorded = _read(folder.path / RECORD)
    if recorded.get("asked") == json.loads(json.dumps(asked)):
        say(f"{budget.options}: {recorded['chosen']} was chosen before and stays.")
        return recorded
    largest = max(categories, key=lambda category: category.n_learnt)
    sections = _parameters(categories, given)[largest.name]
    by = f", by {sections['inspection'].engine} on this machine" if budget.max_ms else ""
    say(f"Choosing the best configuration within {budget.options}{by} ...")
    costs = costs_of(largest, sections)
    choice = choose(_with_weights(points, sections["features"]), budget, costs)
    say(f"  chosen        {costs.text(choice.point)}")
    for what, point in (("next better", choice.better), ("next cheaper", choice.cheaper)):
        say(f"  {what:<13} {costs.text(point) if point else 'none in the measured front'}")
    return {
        "asked": asked,
        "chosen": str(choice.point),
        "settings": choice.point.settings(),
        "milliseconds": {str(point): round(ms, 1) for point, ms in costs.measured.items()},
    }


def store(record: Mapping[str, Any], folder: RunFolder) -> None:
    """Record a choice in the run folder; an empty record removes a former one.

    Raises:
        StorageError: If it cannot be written.
    """
    path = folder.path / RECORD
    with writing(path):
        if record:
            path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)


def _parameters(categories: Sequence[Category], given: Mapping[str, Any]) -> dict[str, Any]:
    """Load the parameters of a training, in a folder of its own, so that an earlier training stays as it is.

    Raises:
        InputError: If no model can have the settings.
    """
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as place,
        Training(RunFolder(Path(place, "checked.run")), categories, given) as training,
    ):
        return training.parameters


def costs_of(category: Category, sections: Mapping[str, Any]) -> Costs:
    """Build the costs of configurations for the photos of a category."""
    from reb_pipeline.inspection.model import good_image
    from reb_pipeline.project.inspection_time import inspection_milliseconds

    photos, n_images = _opened(category), category.n_learnt
    n_learnt = n_images * (1 + len(sections["memory_bank"].copies))
    max_neighbors = sections["scoring"].max_neighbors

    def milliseconds(point: Point) -> float:
        changed = {
            name: sections[name].model_copy(update=values)
            for name, values in point.settings().items()
        }
        return inspection_milliseconds(photos, n_learnt, {**sections, **changed})

    @cache  # photos are encoded at each size
    def megabytes(point: Point) -> float:
        has_photos = sections["packaging"].good_images
        files = [good_image(photo, point.image_size) for photo in photos] if has_photos else [b""]
        photo_bytes = float(np.mean([*map(len, files)])) * n_images / n_learnt  # copies have none
        return point.megabytes(n_learnt, max_neighbors, photo_bytes)

    return Costs(milliseconds, megabytes)


def _opened(category: Category) -> list[np.ndarray]:
    """Open some good photos; the run says which cannot be read."""
    photos = []
    for sample in category.images.samples:
        if sample.split == "train" and not sample.label:
            try:
                photos.append(category.images.open_image(sample.path))
            except InputError:
                continue
        if len(photos) == PHOTOS:
            break
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    return photos or [noise]


def _possible(given: Mapping[str, Any], budget: Budget) -> list[Point]:
    """Select the configurations of the front that have the settings that are given.

    Raises:
        InputError: If none has.
    """
    if given.get("preset") is not None:
        msg = f"{budget.options} and preset = {given['preset']!r} both choose the configuration: give one of them."
        raise InputError(msg)
    points = read_front()
    for section in ("features", "memory_bank"):
        values, names = given.get(section, {}), _values(points[0], section)
        for category, own in _mapping(values.get("per_category")).items():
            for name in names.keys() & _mapping(own).keys():
                msg = (
                    f"{budget.options} chooses one {section}.{name} for all categories, but {category} has its own: "
                    f"leave {section}.per_category.{category}.{name} out, or the budget."
                )
                raise InputError(msg)
        for name in names.keys() & values.keys():
            wanted = values[name]
            known = sorted({_values(one, section)[name] for one in points})
            points = [one for one in points if _values(one, section)[name] == wanted]
            if not points:
                msg = (
                    f"{budget.options} cannot be used with {section}.{name} = {wanted!r}: the measured front has "
                    f"{', '.join('null' if one is None else str(one) for one in known)} there; give one of these, "
                    f"or leave one of the two out."
                )
                raise InputError(msg)
    return points


def _values(point: Point, section: str) -> dict[str, Any]:
    """List the settings of a section that all models of a configuration have, and their costs depend on."""
    return {**point.settings()[section], **ALWAYS.get(section, {})}


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is; anything else is empty here, and refused where parameters are read."""
    return value if isinstance(value, Mapping) else {}


def _with_weights(points: list[Point], features: Any) -> list[Point]:
    """Select the configurations whose weights are on this machine; all without any, as the run says what to do."""
    if features.weights != IMAGENET:  # a file of one backbone
        return [one for one in points if one.backbone == features.backbone] or points
    from reb_pipeline.features.backbones import imagenet_file

    there = {name for name in {one.backbone for one in points} if imagenet_file(name)}
    return [one for one in points if one.backbone in there] or points


def _read(path: Any) -> dict[str, Any]:
    """Read the record of an earlier choice; empty if there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
