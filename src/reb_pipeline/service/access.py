"""Who is let in, decided before anything of the request's body is read."""

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
    """A dependency that answers 401 to those who do not know the key."""
    expected = key.get_secret_value().encode()

    async def check_key(given: Annotated[str | None, Security(HEADER)]) -> None:
        # Headers come as Latin-1; the comparison takes as long for a key that is nearly right as for any other.
        if given is None or not hmac.compare_digest(given.encode("latin-1"), expected):
            msg = f"Send the API key in the header {HEADER.model.name}."
            raise HTTPException(401, msg)

    return check_key


def place_needed(turns: Turns) -> Callable[[], AsyncIterator[None]]:
    """A dependency that holds a place until the request is answered; 429 where there is none."""

    async def hold_place() -> AsyncIterator[None]:
        with turns.place():
            yield

    return hold_place
