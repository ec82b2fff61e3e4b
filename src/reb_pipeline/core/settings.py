"""Base class of typed settings: each method defines its settings, the YAML gives their values."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from reb_pipeline.core.errors import InputError

SEEDS = 2**32  # that all libraries take
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]


class Settings(BaseModel):
    """Settings of one method; an unknown name is an error, so that a misspelt name is noticed, and so is `.inf`.

    Each number has an upper bound, far above any use, so that a slip of the keyboard does not fill the memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false, also YAML's `yes` and `off`, for a number, where they would count as 1 and 0."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and not _takes_switch(annotation):
            msg = "Input should not be true or false"
            raise ValueError(msg)
        return value


S = TypeVar("S", bound=Settings)


def _takes_switch(annotation: Any) -> bool:
    return annotation is bool or any(_takes_switch(one) for one in get_args(annotation))


def validated(model: type[S], values: Mapping[str, Any], name: str) -> S:
    """Create settings from values.

    Args:
        model: Class of the settings.
        values: The values by name.
        name: Name of the settings, with which the error message begins.

    Raises:
        InputError: For the first value that cannot be used, in one sentence.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([name, *(str(part) for part in first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict) else f" (given: {first['input']!r})"
        msg = f"{place} cannot be used: {reason}{given}."
        raise InputError(msg) from None


def one_of(names: Collection[str]) -> AfterValidator:
    """Create the validator of a setting that names an entry of a registry, for ``Annotated`` types.

    Args:
        names: The registry, or its names.
    """

    def check(name: str) -> str:
        if name not in names:
            known = [repr(one) for one in names]
            msg = f"Input should be {', '.join(known[:-1])} or {known[-1]}"
            raise ValueError(msg)
        return name

    return AfterValidator(check)
