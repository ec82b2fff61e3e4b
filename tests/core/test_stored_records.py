"""Stored records: nested ones, models, formats; tests of ``ArraysDataset`` have the rest."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, Field

from reb_pipeline.core import records
from reb_pipeline.core.records import RecordError, read_outline, read_record, write_record


class Settings(BaseModel):
    k: int = Field(ge=1)
    layers: list[str]
    alpha: float | None = None


@dataclass(frozen=True)
class Bank:
    FORMAT: ClassVar[int] = 3
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"rows": "features", "hash": "fingerprint"}

    features: np.ndarray
    fingerprint: str


@dataclass(frozen=True)
class Detector:
    bank: Bank
    other: Bank
    settings: Settings
    rate: float
    graph: np.ndarray | None = field(default=None, metadata={"stored": False})


@dataclass(frozen=True)
class Outer:
    detector: Detector
    names: list[str]


FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


def outer() -> Outer:
    settings = Settings(k=5, layers=["layer2"])
    detector = Detector(Bank(FEATURES, "a"), Bank(FEATURES[::2], "b"), settings, 0.1, FEATURES)
    return Outer(detector, ["ü"])


def written(record: Any) -> bytes:
    file = io.BytesIO()
    write_record(record, file)
    return file.getvalue()


def made_by_numpy(values: Any, **arrays: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays, metadata=np.array(json.dumps(values)))
    file.seek(0)
    return file


def test_a_record_in_a_record() -> None:
    data = written(outer())
    found = read_record(Outer, io.BytesIO(data), is_local=False)
    assert found.names == ["ü"]
    assert found.detector.settings == Settings(k=5, layers=["layer2"])
    assert (found.detector.rate, found.detector.graph) == (0.1, None)
    for bank, expected in (
        (found.detector.bank, Bank(FEATURES, "a")),
        (found.detector.other, Bank(FEATURES[::2], "b")),
    ):
        np.testing.assert_array_equal(bank.features, expected.features)
        assert bank.features.dtype == np.float32
        assert bank.fingerprint == expected.fingerprint
    assert written(found) == data == written(outer())


@dataclass(frozen=True)
class Scaled:
    scores: np.ndarray
    scale: Bank | None = None


@pytest.mark.parametrize("scale", [None, Bank(FEATURES, "a")])
def test_a_record_or_none_in_a_record(scale: Bank | None) -> None:
    data = written(Scaled(FEATURES, scale))
    found = read_record(Scaled, io.BytesIO(data), is_local=False)
    assert (found.scale is None) == (scale is None)
    if scale is not None:
        np.testing.assert_array_equal(found.scale.features, scale.features)
    assert written(found) == data


def test_what_a_file_holds() -> None:
    data = written(outer())
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        assert set(archive) == {"detector.bank.features", "detector.other.features", "metadata"}
        values = json.loads(archive["metadata"].item())
    assert values == {
        "format": 1,
        "names": ["ü"],
        "detector": {
            "format": 1,
            "rate": 0.1,
            "settings": {"k": 5, "layers": ["layer2"], "alpha": None},
            "bank": {"format": 3, "fingerprint": "a"},
            "other": {"format": 3, "fingerprint": "b"},
        },
    }
    outline = read_outline(io.BytesIO(data))
    assert outline.pop("arrays")["detector.other.features"] == {
        "shape": (2, 3), "dtype": "float32"
    }  # fmt: skip
    assert outline == values


def test_arrays_of_a_nested_record_are_mapped(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "MAPPED_BYTES", 0)
    (tmp_path / "record.npz").write_bytes(written(outer()))
    with (tmp_path / "record.npz").open("rb") as file:
        found = read_record(Outer, file, is_local=True)
    assert isinstance(found.detector.bank.features, np.memmap)
    np.testing.assert_array_equal(found.detector.bank.features, FEATURES)


@pytest.mark.parametrize("number", [{}, {"format": 1}, {"format": 2}])
def test_the_formats_before(number: dict[str, int]) -> None:
    file = made_by_numpy({"hash": "a", **number}, rows=FEATURES)
    found = read_record(Bank, file, is_local=False)
    np.testing.assert_array_equal(found.features, FEATURES)
    assert found.fingerprint == "a"


def test_the_format_before_of_a_nested_record() -> None:
    bank = {"hash": "a"}
    values = {"bank": bank, "other": bank, "settings": {"k": 1, "layers": []}, "rate": 1}
    arrays = {"bank.rows": FEATURES, "other.rows": FEATURES}
    found = read_record(Detector, made_by_numpy(values, **arrays), is_local=False)
    assert found.other.fingerprint == "a"


@pytest.mark.parametrize(
    ("values", "message", "is_newer"),
    [
        ({"fingerprint": "a", "format": 4}, "has format 4 of .*Bank, but .* reads up to 3", True),
        ({"fingerprint": "a", "format": "x"}, "has format 'x' of .*Bank", False),
        ({"fingerprint": "a", "format": 0}, "has format 0 of .*Bank", False),
        ({"hash": "a", "format": 3}, r"has the fields \['features', 'hash'\], but .*Bank", False),
        ({}, r"is of an older reb-pipeline, whose .*Bank has no fingerprint", False),
        ([], "is cut off or holds no record", False),
    ],
)
def test_what_is_no_record(values: Any, message: str, is_newer: bool) -> None:
    with pytest.raises(RecordError, match=message) as caught:
        read_record(Bank, made_by_numpy(values, features=FEATURES), is_local=False)
    assert caught.value.is_newer == is_newer
    remedy = "update reb-pipeline" if is_newer else "make it again"
    sentence = caught.value.sentence("'bank.npz'", "make it again")
    assert sentence == f"'bank.npz' {caught.value}: {remedy}."


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_finite(monkeypatch: Any, value: float, dtype: Any, order: str) -> None:
    monkeypatch.setattr(records, "_CHECKED_AT_ONCE", 5)
    for position in np.ndindex(4, 3):
        features = FEATURES.astype(dtype, order=order)
        features[position] = value
        detector = replace(outer().detector, other=Bank(features, "b"))
        data = written(replace(outer(), detector=detector))
        message = "has values in 'detector.other.features' that are not finite numbers"
        with pytest.raises(RecordError, match=f"^{message}$"):
            read_record(Outer, io.BytesIO(data), is_local=False)


def test_mapped_arrays_are_finite(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "MAPPED_BYTES", 1)
    path = tmp_path / "bank.npz"
    path.write_bytes(written(Bank(np.full((4, 3), np.nan, np.float32), "a")))
    with path.open("rb") as file, pytest.raises(RecordError, match="in 'features' that are not"):
        read_record(Bank, file, is_local=True)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(text: str) -> None:
    file = io.BytesIO()
    values = {"fingerprint": 0.125, "format": 3}
    metadata = json.dumps(values).replace("0.125", text)
    np.savez(file, features=FEATURES, metadata=np.array(metadata))
    with pytest.raises(RecordError, match=f"{text} is not a finite number"):
        read_record(Bank, file, is_local=False)


def test_where_the_fault_is() -> None:
    bank = {"fingerprint": "a", "format": 3}
    values = {"bank": bank, "other": bank, "settings": {"k": 1, "layers": []}, "rate": 1}
    arrays = {"bank.features": FEATURES, "other.features": FEATURES}

    def fault(**changed: Any) -> str:
        with pytest.raises(RecordError) as caught:
            read_record(Detector, made_by_numpy({**values, **changed}, **arrays), is_local=False)
        return str(caught.value)

    assert "in 'other', but" in fault(other={**bank, "format": 4})
    assert "has the fields ['features', 'format 3'] in 'bank'" in fault(bank={"format 3": 1})
    assert "has a value of 'settings.k' that cannot be used" in fault(
        settings={"k": 0, "layers": []}
    )
    assert "is cut off or holds no record" in fault(bank=1)


def test_names_that_the_file_needs() -> None:
    @dataclass
    class Clash:
        format: int

    with pytest.raises(TypeError, match="'format' of Clash has a name that its file needs"):
        written(Clash(1))


@dataclass(frozen=True)
class Longer:
    FORMAT: ClassVar[int] = 2

    fingerprint: str
    error: float | None = None


def test_a_field_that_a_former_format_lacks_takes_its_default() -> None:
    former = made_by_numpy({"format": 1, "fingerprint": "a"})
    assert read_record(Longer, former, is_local=False) == Longer("a", None)
    assert read_record(Longer, io.BytesIO(written(Longer("a", 0.5))), is_local=False).error == 0.5
    for values, message in (
        ({"format": 2, "fingerprint": "a"}, "has the fields"),
        (
            {"format": 1, "error": 0.5},
            "is of an older reb-pipeline, whose .*Longer has no fingerprint",
        ),
    ):
        with pytest.raises(RecordError, match=message):
            read_record(Longer, made_by_numpy(values), is_local=False)
