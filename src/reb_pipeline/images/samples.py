"""Which samples a step learns from, validates on and tests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HOLD_OUT_EVERY = 10


def good_training(samples: "pd.DataFrame") -> "pd.DataFrame":
    """The rows to learn from."""
    return samples[(samples["split"] == "train") & (samples["label"] == 0)]


def held_out_good(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Good images to validate a fine-tuning on: those for calibration, else every tenth good training image."""
    calibration = samples[(samples["split"] == "calibration") & (samples["label"] == 0)]
    return calibration if len(calibration) else good_training(samples).iloc[::HOLD_OUT_EVERY]


def good_finetuning(samples: "pd.DataFrame") -> "pd.DataFrame":
    """Good training images to fine-tune on: those not held out, or the only one there is."""
    good = good_training(samples)
    rest = good[~good["id"].isin(held_out_good(samples)["id"])]
    return rest if len(rest) else good
