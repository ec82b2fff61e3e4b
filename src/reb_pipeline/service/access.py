"""Access control, applied before the body of a request is read."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from reb_pipeline.service.turns import Turns

HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)


def key_needed(key: SecretStr) -> Callable[[str | None], Awaitable[None]]:
    """Create a dependency that answers 401 to requests without the API key.

    Args:
        key: The API key.
    """
    expected = key.get_secret_value().encode()

    async def check_key(given: Annotated[str | None, Security(HEADER)]) -> None:
        # Headers are Latin-1. The comparison takes constant time, so that its duration reveals nothing about the key.
        if given is None or not hmac.compare_digest(given.encode("latin-1"), expected):
            msg = f"Send the API key in the header {HEADER.model.name}."
            raise HTTPException(401, msg)

    return check_key


def place_needed(turns: Turns) -> Callable[[], AsyncIterator[None]]:
    """Create a dependency that holds a place until the request is answered; it answers 429 if no place is free.

    Args:
        turns: The places.
    """

    async def hold_place() -> AsyncIterator[None]:
        with turns.place():
            yield

    return hold_place
