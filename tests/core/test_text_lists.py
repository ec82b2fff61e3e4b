import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reb_pipeline.core.text_lists import EMPTY, from_text, to_text


@given(st.lists(st.text()))
def test_texts_come_back(values):
    assert from_text(to_text(values)) == values


@given(arrays(np.float32, 5, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_floats_come_back_bit_by_bit(values):
    np.testing.assert_array_equal(np.array(from_text(to_text(values)), np.float32), values)


def test_floats_are_short():
    assert to_text(np.array([0.1, 2], np.float32)) == "[0.1, 2.0]"


def test_no_value():
    assert to_text(()) == EMPTY
    assert from_text(EMPTY) == []


def test_lists_of_former_tables_are_read():
    assert from_text(np.array(["a.png", "b.png"], object)) == ["a.png", "b.png"]
    assert from_text(np.empty(0, object)) == []


def test_no_list_is_refused():
    with pytest.raises(TypeError):
        from_text(1)
    with pytest.raises(ValueError, match="Expecting value"):
        from_text("a.png")
