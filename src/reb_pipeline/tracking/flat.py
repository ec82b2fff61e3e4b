"""Facts of one run as flat names and values, for trackers such as MLflow."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from reb_pipeline.tracking.comparison import MEMORY_BANK, Result


@dataclass(frozen=True)
class Flat:
    """Facts of a run by flat names.

    Attributes:
        parameters: Parameters and facts about the data, such as ``mono.scoring.alpha`` and ``mono.images.train``.
        metrics: Metrics such as ``mono.image_auroc``, those of other detectors as ``mono.hybrid.image_auroc``.
        tags: Commit, version of the project, of Python and of the libraries.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def flat_facts(results: Iterable[Result]) -> Flat:
    """Collect the facts and metrics of all results of a run; they are those that a comparison of runs shows.

    Args:
        results: Results of one run, see :func:`reb_pipeline.tracking.comparison.find_results`.

    Example:
        >>> from reb_pipeline.tracking.lineage import Facts
        >>> facts = Facts({"scoring.alpha": "0.5"}, {"images.train": "9"}, {"commit": "ab"}, {"numpy": "2.1"})
        >>> flat = flat_facts([Result("r1", "mono", "memory_bank", {"image_auroc": 0.9}, facts, None)])
        >>> flat.parameters, flat.metrics
        ({'mono.scoring.alpha': '0.5', 'mono.images.train': '9'}, {'mono.image_auroc': 0.9})
        >>> flat.tags
        {'commit': 'ab', 'numpy': '2.1'}
    """
    flat = Flat()
    for result in results:
        made = {**result.facts.parameters, **result.facts.data}
        flat.parameters.update({f"{result.category}.{name}": text for name, text in made.items()})
        place = [result.category, *[result.detector] * (result.detector != MEMORY_BANK)]
        flat.metrics.update(
            {".".join([*place, name]): value for name, value in result.metrics.items()}
        )
        flat.tags.update({**result.facts.code, **result.facts.libraries})
    return flat
