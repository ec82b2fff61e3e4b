"""Arguments of constructors, as Kedro writes a dataset back to a catalog entry."""

from inspect import Parameter, signature
from typing import Any


class PlainArguments:
    """Base of dataset classes that keep the arguments of their constructors as a catalog entry has them.

    Kedro wraps the constructor of every subclass to keep its arguments. Of one that is only inherited it would keep
    ``args``, a tuple, and ``kwargs``; of one that passes ``**others`` on, a mapping ``others``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        is_own = "__init__" in vars(cls)
        super().__init_subclass__(**kwargs)
        if not is_own:
            del cls.__init__

    def _init_config(self) -> dict[str, Any]:
        arguments: dict[str, Any] = self._init_args  # type: ignore[attr-defined]
        for one in signature(type(self).__init__).parameters.values():
            if one.kind is Parameter.VAR_KEYWORD:
                arguments |= arguments.pop(one.name, {})
        config: dict[str, Any] = super()._init_config()  # type: ignore[misc]
        return config
