"""Every number of every setting has an upper bound, and work that no memory can hold is refused before it begins."""

import re
import types
import typing
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reb_pipeline.core import memory
from reb_pipeline.core.errors import InputError, input_error_behind
from reb_pipeline.core.settings import Settings
from reb_pipeline.parameters.per_category import CATEGORY_SECTIONS, SHARED_SECTIONS

# Numbers that nothing is as large as: a score is compared with it.
COMPARED_ONLY = {"area_threshold"}


def models(model: type[Settings]):
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from models(field.annotation)


def kinds(annotation) -> set[type]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return set().union(*(kinds(one) for one in typing.get_args(annotation)))
    return {annotation} if isinstance(annotation, type) else set()


@cache
def adapter(model, name):
    field = model.model_fields[name]
    return TypeAdapter(typing.Annotated[field.annotation, "of the model", *field.metadata])


NUMBERS = sorted(
    {
        (model, name)
        for section in (*CATEGORY_SECTIONS.values(), *SHARED_SECTIONS.values())
        for model in models(section)
        for name, field in model.model_fields.items()
        if {int, float} & kinds(field.annotation) and name not in COMPARED_ONLY
    },
    key=str,
)


def test_numbers_are_found():
    names = {name for _, name in NUMBERS}
    assert {"image_size", "width", "alpha", "updates", "memory_gib", "seed", "last"} <= names


@pytest.mark.parametrize(
    ("model", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", str(one))
)
@settings(max_examples=10)
@given(number=st.integers(10**11, 10**300))
def test_an_absurd_number_is_refused(model, name, number):
    with pytest.raises(ValidationError):
        adapter(model, name).validate_python(number)


@given(side=st.integers(1, 10**6), n_images=st.integers(1, 10**6))
def test_images_are_refused_exactly_where_they_need_more_than_there_is(side, n_images):
    n_bytes = 4 * memory.FLOATS_PER_PIXEL * side * side * n_images
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "total_bytes", lambda: n_bytes)
        memory.check_images_fit(n_images, side, "x")
        patch.setattr(memory, "total_bytes", lambda: n_bytes - 1)
        with pytest.raises(InputError, match="make x smaller"):
            memory.check_images_fit(n_images, side, "x")
        patch.setattr(memory, "total_bytes", lambda: None)
        memory.check_images_fit(n_images, side, "x")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 3.64 EiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
)
def test_memory_that_is_used_up_is_one_sentence(error):
    behind = RuntimeError("node failed")
    behind.__cause__ = error
    sentence = str(input_error_behind(behind))
    assert re.match(r"There is too little memory.*: make features.image_size, ", sentence)
    assert "\n" not in sentence
