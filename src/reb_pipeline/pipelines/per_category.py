"""One copy of a pipeline for every category of the environment."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline

from reb_pipeline.config_loader import categories


def per_category(
    template: Pipeline, sections: Iterable[str] = (), outputs: Iterable[str] = ()
) -> Pipeline:
    """Copy ``template`` into the namespace of each category.

    Args:
        template: Nodes that speak of ``samples``, ``memory_bank``, …; they become ``screw.samples``, ….
        sections: Sections of the parameters that differ by category: ``params:ldknn`` becomes
            ``params:ldknn.screw``.
        outputs: Datasets that other categories are compared with: ``metrics`` becomes ``metrics_screw``.
    """
    return Pipeline(
        [
            Pipeline(
                template,
                namespace=category,
                parameters={f"params:{name}": f"params:{name}.{category}" for name in sections},
                outputs={name: f"{name}_{category}" for name in outputs},
            )
            for category in categories()
        ]
    )
