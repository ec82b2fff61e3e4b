"""Records of the first format, which had no number, by the names that their fields had then."""

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
