"""A configuration like those of the real parameters, to differ from."""

from reb_pipeline.parameters.configurations import Configuration

DEFAULTS = {
    "backbone": "efficientnet_lite0", "representation": "imagenet", "image_size": 64, "neck": "paper",
    "detector": "ldknn",
    "distance": "euclidean", "coreset_ratio": 1.0, "light_copies": 0, "turned_copies": 0, "shots": None, "seed": 0,
    "n_neighbors": 3, "alpha": 1.0, "form": "subtract_squared", "image_score": "block_max", "normalization": "none",
    "global_branch": "none", "anomaly_map": "score",
    "feature_loss": "cosine", "fusion": "sum", "pixel_loss": "l2",
}  # fmt: skip


def configuration(**changes):
    """The plain configuration with some other settings."""
    return Configuration(**{**DEFAULTS, **changes})
