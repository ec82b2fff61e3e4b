"""Metrics of the service in the format of Prometheus."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from reb_pipeline.calibration.verdicts import DOUBTFUL, VERDICTS

P_VALUES = (0.01, 0.02, 0.05, *(tenth / 10 for tenth in range(1, 11)))


class Metrics:
    """Metrics of one application, in a separate registry.

    Args:
        model: Name and id of the model and the version of this package, as labels of ``reb_model_info``.
    """

    def __init__(self, model: dict[str, str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("reb_model", "The model that inspects", registry=self.registry).info(model)
        self.requests = Counter(
            "reb_requests", "Requests answered", ["path", "status"], registry=self.registry
        )
        self.verdicts = Counter(
            "reb_verdicts",
            "Images by verdict",
            ["verdict"],
            registry=self.registry,
        )
        for verdict in (
            one for one in VERDICTS if one != DOUBTFUL
        ):  # which not every model can give
            self.verdicts.labels(verdict)  # so that each verdict starts at 0
        self.request_seconds = Histogram(
            "reb_request_seconds",
            "Whole requests, upload included",
            ["path"],
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "reb_queue_seconds",
            "Images between the end of their upload and their turn",
            registry=self.registry,
        )
        self.inspection_seconds = Histogram(
            "reb_inspection_seconds",
            "Images from decoding to their answer",
            registry=self.registry,
        )
        self.places_taken = Gauge(
            "reb_places_taken",
            "Requests that have been let in and not yet answered",
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "reb_queue_depth", "Images that wait for their turn", registry=self.registry
        )
        self.p_values = Histogram(
            "reb_p_value",
            "P-values of images; those of good parts are uniform while the process stays as calibrated",
            buckets=P_VALUES,
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Format all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
