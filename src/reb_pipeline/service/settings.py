"""Settings of the service."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

MIB = 2**20


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+", text):
        msg = "an origin is scheme, host and port alone, such as https://line.example:8443"
        raise ValueError(msg)
    return text


class ServiceSettings(BaseModel):
    """Limits of the service, its file of marks, and the API key; all but the key are options of ``reb-serve``.

    Example:
        >>> from reb_pipeline.service.settings import ServiceSettings
        >>> settings = ServiceSettings(workers=2, api_key="secret")
        >>> settings.max_batch, settings.api_key
        (256, SecretStr('**********'))
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_upload_mib: int = Field(
        20, gt=0, description="largest body of a request in MiB, a batch included"
    )
    max_pixels: int = Field(
        50_000_000, gt=0, description="most pixels of an image, read from its header"
    )
    max_request_pixels: int = Field(
        100_000_000, gt=0, description="most pixels of all images of a request together"
    )
    max_batch: int = Field(256, gt=0, description="most images of a batch, whatever their pixels")
    workers: int = Field(1, gt=0, description="images inspected at the same time")
    queue: int = Field(
        16, ge=0, description="requests that may wait; those beyond are answered 429"
    )
    upload_seconds: int = Field(
        30, gt=0, description="longest time that a body may take to arrive, or an answer to be read"
    )
    request_seconds: int = Field(
        60, gt=0, description="longest time of a request from the end of its body to its answer"
    )
    stop_seconds: int = Field(
        30, gt=0, description="longest time that waiting requests get when it is stopped"
    )
    allow_origin: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), description="origin of a page on another host that may use the service; can be repeated"
    )
    marks: Path | None = Field(
        None,
        description="file that marks of the page are stored in; without one the page downloads them",
    )
    api_key: SecretStr | None = None
