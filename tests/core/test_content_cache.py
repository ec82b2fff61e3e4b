import io
import json
from dataclasses import dataclass

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core import content_cache
from reb_pipeline.core.content_cache import (
    ALGORITHMS,
    LIBRARIES,
    entry,
    library_versions,
    read_arrays,
    remember_arrays,
    remember_json,
    remember_record,
    write_arrays,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "nothing": np.empty((0, 4), np.int32)}


def saved(save, *args, **arrays):
    """The bytes of a file that numpy saves."""
    file = io.BytesIO()
    save(file, *args, **arrays)
    return file.getvalue()


NPY, NPZ = saved(np.save, np.ones(9)), saved(np.savez, a=np.ones(9))


@dataclass
class Point:
    place: np.ndarray
    weight: float


@pytest.fixture(params=["dictionary", "memory"])
def cache(request, tmp_path):
    if request.param == "dictionary":
        return {}
    return fsspec.FSMap(f"{tmp_path}/cache", fsspec.filesystem("memory"), create=True)


def plain(value):
    """A JSON value as text, keys in order; True is not 1, nor 1 1.0."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{plain(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(plain, value)) + "]"
    return repr(value)


def refuse():
    raise AssertionError("made again")


@given(JSON, JSON)
def test_the_same_name_for_the_same_content_only(one, other):
    same = plain(one) == plain(other)
    assert (entry("banks", value=one) == entry("banks", value=other)) == same
    assert entry("banks", value=one) == entry("banks", value=json.loads(json.dumps(one)))


def test_names_do_not_depend_on_the_order_of_keys():
    assert entry("banks", a=1, b={"c": 2, "d": 3}) == entry("banks", b={"d": 3, "c": 2}, a=1)
    assert entry("banks", a=1) != entry("searches", a=1)
    assert entry("banks", a=1) != entry("banks", b=1)
    assert entry("banks", kind=1).startswith("banks/")  # the content may have a kind of its own


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_raised_version_is_another_name(kind, monkeypatch):
    names = {other: entry(other, a=1) for other in ALGORITHMS}
    monkeypatch.setitem(ALGORITHMS, kind, ALGORITHMS[kind] + 1)
    assert {other for other in names if entry(other, a=1) != names[other]} == {kind}


def test_versions_of_libraries_are_those_installed(monkeypatch):
    versions = library_versions(*LIBRARIES, "no-such-distribution")
    assert versions.pop("no-such-distribution") is None
    assert versions["numpy"] == np.__version__
    assert all(versions.values())
    before = entry("banks", a=1)
    monkeypatch.setattr(content_cache, "_version", lambda _: "0")
    assert entry("banks", a=1) != before


def test_what_is_kept_of_no_known_kind():
    with pytest.raises(KeyError):
        entry("bank", a=1)


def test_records_come_back_and_are_made_again_where_they_are_cut_off(cache):
    made = []

    def make():
        made.append(Point(np.arange(3.0), 1.5))
        return made[-1]

    for _ in range(2):
        found = remember_record(cache, "x", Point, make)
        np.testing.assert_array_equal(found.place, [0, 1, 2])
        assert found.weight == 1.5
    assert len(made) == 1
    cache["x.npz"] = cache["x.npz"][:40]
    remember_record(cache, "x", Point, make)
    assert len(made) == 2


def test_arrays_come_back(cache):
    assert read_arrays(cache, "banks/x") is None
    write_arrays(cache, "banks/x", ARRAYS)
    found = remember_arrays(cache, "banks/x", refuse)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_everything_is_made_once(cache):
    made = []

    def make(value):
        made.append(value)
        return value

    for _ in range(2):
        assert list(remember_arrays(cache, "x", lambda: make({"a": np.ones(2)}))) == ["a"]
        assert remember_json(cache, "x", lambda: make([1, None, "é"])) == [1, None, "é"]
        assert remember_json(cache, "none", lambda: make(None)) is None
    assert len(made) == 3


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_arrays_that_are_cut_off_are_made_again(cache, share):
    write_arrays(cache, "x", ARRAYS)
    whole = cache["x.npz"]
    cache["x.npz"] = whole[: int(len(whole) * share)]
    found = remember_arrays(cache, "x", lambda: {"b": np.zeros(1)})
    assert list(found) == list(remember_arrays(cache, "x", refuse)) == ["b"]


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": Na', b"\xff\xfe"])
def test_json_that_is_cut_off_or_damaged_is_made_again(cache, data):
    cache["reports/x.json"] = data
    for make in (lambda: {"a": 1}, refuse):
        assert remember_json(cache, "reports/x", make) == {"a": 1}


@pytest.mark.parametrize("data", [b"", b"no archive", NPY, NPZ[:-30], NPZ[:90] + b"x" + NPZ[91:]])
def test_damaged_arrays_are_made_again(cache, data):
    cache["x.npz"] = data
    for make in (lambda: {"b": np.zeros(1)}, refuse):
        assert list(remember_arrays(cache, "x", make)) == ["b"]


def test_what_cannot_be_made_leaves_nothing(cache):
    for remember in (remember_arrays, remember_json):
        with pytest.raises(AssertionError, match="made again"):
            remember(cache, "x", refuse)
    with pytest.raises(AssertionError, match="made again"):
        remember_record(cache, "x", Point, refuse)
    assert list(cache) == []
