"""Settings of the service."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

MIB = 2**20


class ServiceSettings(BaseModel):
    """Limits of the service, and the API key; each limit is an option of ``reb-serve`` and described there.

    Example:
        >>> from reb_pipeline.service.settings import ServiceSettings
        >>> settings = ServiceSettings(workers=2, api_key="secret")
        >>> settings.max_batch, settings.api_key
        (32, SecretStr('**********'))
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_upload_mib: int = Field(
        20, gt=0, description="largest body of a request in MiB, a batch included"
    )
    max_pixels: int = Field(
        50_000_000, gt=0, description="most pixels of an image, read from its header"
    )
    max_batch: int = Field(32, gt=0, description="most images of a batch")
    workers: int = Field(1, gt=0, description="images inspected at the same time")
    queue: int = Field(
        16, ge=0, description="requests that may wait; those beyond are answered 429"
    )
    upload_seconds: int = Field(30, gt=0, description="longest time that a body may take to arrive")
    stop_seconds: int = Field(
        30, gt=0, description="longest time that waiting requests get when it is stopped"
    )
    api_key: SecretStr | None = None
