"""Typed parameters: sections of the YAML, their copies for each category, and Kedro's loader for them."""

from typing import TYPE_CHECKING, Any

from reb_pipeline.core.moved import no_attribute

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_attribute(__name__, name)
