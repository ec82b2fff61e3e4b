"""Records of the first format, which had no number, by the names that their fields had then."""

import dataclasses
import importlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reb_pipeline.core.records import read_outline
from reb_pipeline.datasets import ArraysDataset

N, CHANNELS = 6, 3
ROWS = np.arange(N, dtype=np.int32)
FEATURES = np.arange(N * CHANNELS, dtype=np.float32).reshape(N, CHANNELS)
GRIDS = np.arange(2 * 2 * 2 * 1, dtype=np.float32).reshape(2, 2, 2, 1)
IDS = ["good/000", "good/001"]
NONE = np.empty(0, np.float32)

# Class -> its arrays, its other fields, and those that have another name now.
RECORDS: dict[str, tuple[dict[str, np.ndarray], dict[str, Any], dict[str, str]]] = {
    "memory_bank.bank.MemoryBank": (
        {
            "features": FEATURES, "image": ROWS, "y": ROWS.astype(np.int16), "x": ROWS.astype(np.int16),
            "mean": NONE, "whitening": NONE,
        },
        {"image_ids": IDS, "extractor": {"backbone": "b"}, "distance": "euclidean"},
        {},
    ),
    "memory_bank.bank.Coreset": ({"rows": ROWS.astype(np.int64)}, {"bank_rows": 9}, {}),
    "memory_bank.density.LocalDensity": (
        {"squared_distances": FEATURES},
        {"coreset": "a hash"},
        {"coreset": "coreset_fingerprint"},
    ),
    "memory_bank.nearest_patches.NearestPatches": (
        {
            "squared_distances": GRIDS, "rows": GRIDS.astype(np.int32),
            "peak_features": FEATURES[:2], "mean_features": FEATURES[2:4],
        },
        {"image_ids": IDS, "coreset": "a hash"},
        {"coreset": "coreset_fingerprint"},
    ),
    "calibration.record.Calibration": (
        {"image_scores": NONE, "peak_scores": NONE, "features_mean": FEATURES},
        {
            "image_ids": IDS, "false_alarm_rate": 0.1, "source": "a folder", "alpha": 1.0,
            "coreset": "a hash", "scoring": {"k": 5},
        },
        {"coreset": "coreset_fingerprint", "features_mean": "mean_features"},
    ),
    "reconstruction.residual_maps.ResidualMaps": (
        {"levels": GRIDS},
        {"image_ids": IDS, "decoder": "a hash"},
        {"decoder": "decoder_fingerprint"},
    ),
    "scoring.anomaly_maps.AnomalyMaps": (
        {"patch_scores": GRIDS[..., 0]},
        {"image_ids": IDS, "size": 256, "sigma": 4.0},
        {},
    ),
}  # fmt: skip

# Class -> its format, and the fields of that format.
FIELDS: dict[str, tuple[int, str]] = {
    "calibration.record.Calibration": (
        6,
        "alpha chosen_by coreset_fingerprint detector_fingerprint doubtful_rate false_alarm_rate fine_tuned "
        "image_ids image_scores mean_features peak_scores scoring source views",
    ),
    "calibration.parts.Views": (1, "group_by per_part"),
    "core.network_weights.NetworkWeights": (1, "config state"),
    "defectmaker.logical_set.LogicalSet": (1, "images kinds masks photos seed splits"),
    "defectmaker.records.SaliencyMaps": (2, "fallbacks image_hashes image_ids maps method"),
    "defectmaker.records.SyntheticDefects": (
        3,
        "image_hashes image_ids images kinds labels masks purpose recipes saliency_fingerprint",
    ),
    "features.adapted.BackboneWeights": (1, "config state"),
    "images.pose.Pose": (1, "aspect golden kind least_cover least_quality most_twin"),
    "inspection.appearance.Appearance": (1, "values"),
    "memory_bank.bank.Coreset": (2, "bank_fingerprint bank_rows rows"),
    "memory_bank.bank.MemoryBank": (
        5,
        "distance extractor features image image_hashes image_ids light_copies mean region turned_copies "
        "whitening x y",
    ),
    "memory_bank.density.LocalDensity": (3, "bank_fingerprint coreset_fingerprint squared_distances"),
    "memory_bank.nearest_patches.NearestPatches": (
        4,
        "bank_fingerprint coreset_fingerprint image_hashes image_ids mean_features peak_features rows "
        "squared_distances",
    ),
    "reconstruction.residual_maps.ResidualMaps": (3, "decoder_fingerprint image_hashes image_ids levels"),
    "scoring.anomaly_maps.AnomalyMaps": (
        4,
        "detection_fingerprint image_ids patch_scores placements region sigma size",
    ),
    "scoring.detector.MemoryBankDetector": (
        4,
        "alpha alpha_error bank density global_branch good_scores scoring zones",
    ),
    "scoring.gaussians.GaussianDetector": (
        1,
        "channels extractor image_hashes image_ids mean name scoring whitening",
    ),
    "scoring.global_branch.GlobalBranch": (2, "centre excess kinds mean precision spread unit"),
    "scoring.good_scores.GoodScores": (1, "mean spread"),
    "scoring.zones.Zones": (1, "distance_mean distance_spread mean names numbers spread"),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_format_1_are_read(tmp_path: Path, name: str) -> None:
    arrays, values, renamed = RECORDS[name]
    path = tmp_path / "record.npz"
    np.savez(path, **arrays, metadata=np.array(json.dumps(values)))
    dataset = ArraysDataset(filepath=str(path), record=f"reb_pipeline.{name}")
    loaded = dataset.load()
    for field, array in arrays.items():
        found = getattr(loaded, renamed.get(field, field))
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    for field, value in values.items():
        assert getattr(loaded, renamed.get(field, field)) == value

    dataset.save(loaded)
    outline = read_outline(io.BytesIO(path.read_bytes()))
    assert outline["format"] == getattr(type(loaded), "FORMAT", 1)
    assert not {*outline, *outline["arrays"]} & set(renamed)


@pytest.mark.parametrize("name", FIELDS)
def test_a_format_has_its_fields(name: str) -> None:
    module, record = name.rsplit(".", 1)
    kind = getattr(importlib.import_module(f"reb_pipeline.{module}"), record)
    fields = [one.name for one in dataclasses.fields(kind) if one.metadata.get("stored", True)]
    number, expected = FIELDS[name]
    found = getattr(kind, "FORMAT", 1), " ".join(sorted(fields))
    assert found == (number, expected), f"raise FORMAT of {name} where a field is added or renamed"
