"""Application of the service: its routes, middleware and errors."""

from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST

from reb_pipeline.service.access import HEADER, key_needed, place_needed
from reb_pipeline.service.answers import Answer, Batch, Extras, Health, Problem
from reb_pipeline.service.middleware import BoundedBody, Observation
from reb_pipeline.service.service import Service
from reb_pipeline.service.settings import ServiceSettings
from reb_pipeline.service.turns import while_wanted
from reb_pipeline.service.uploads import MULTIPART, uploaded

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

PAGE = Path(__file__).with_name("page.html")
# The pages load nothing from other hosts, and their content cannot make them do so.
POLICIES = {
    "/": "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'",
    "/docs": "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The form is broken or has too many files",
        401: "No API key, or another one",
        408: "The body did not arrive in time",
        413: "Too many bytes or pixels",
        415: "No image",
        422: "A broken image, no file, or an unknown value of an option",
        429: "All places are taken",
        503: "The service is stopping, its disk is full, or the time of the request is over",
    }.items()
}
BINARY = {"type": "string", "format": "binary"}


def create_app(inspector: "Inspector", settings: ServiceSettings) -> FastAPI:
    """Create the service of one packaged model.

    Args:
        inspector: The loaded model; called from several threads if ``settings.workers`` is above one.
        settings: Limits and the API key.

    Returns:
        An ASGI application; its ``state.service`` is the :class:`Service`.

    Example:
        >>> from fastapi.testclient import TestClient
        >>> from reb_pipeline.inspection import Inspector
        >>> from reb_pipeline.service.app import create_app
        >>> from reb_pipeline.service.settings import ServiceSettings
        >>> inspector = Inspector.load("tests/inspection/models/former_records")
        >>> client = TestClient(create_app(inspector, ServiceSettings()))
        >>> client.get("/health").json()["status"]
        'ok'
    """
    service = Service(inspector, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.turns.close()

    app = FastAPIOffline(
        redoc_url=None,  # one page of documentation is enough
        title="reb-pipeline",
        description=f"Visual inspection with the model {inspector.name!r}.",
        version=service.about["version"],
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(BoundedBody, mib=settings.max_upload_mib, seconds=settings.upload_seconds)
    if settings.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origin,
            allow_methods=["GET", "POST"],
            allow_headers=[HEADER.model.name],
            expose_headers=["Retry-After", "X-Request-ID", "X-Verdict"],
        )
    app.add_middleware(Observation, metrics=service.metrics, policies=POLICIES)
    app.add_exception_handler(RequestValidationError, _first_problem)
    key = [Depends(key_needed(settings.api_key))] if settings.api_key else []
    # FastAPI would read the body before its dependencies run, so the routes read the forms themselves.
    seconds = settings.request_seconds
    admitted = [*key, Depends(place_needed(service.turns))]

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text())

    @app.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Check if images are accepted; needs no key."""
        found = service.health()
        response.status_code = 200 if found.status == "ok" else 503
        return found

    @app.get("/metrics", dependencies=key)
    async def metrics() -> Response:
        """Return metrics in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.post(
        "/inspect",
        dependencies=admitted,
        responses=REFUSALS,
        openapi_extra=_form("image", BINARY),
    )
    async def inspect(request: Request, extras: Annotated[Extras, Query()]) -> Answer:
        """Inspect one image: PNG, JPEG, BMP, TIFF or WebP."""
        async with uploaded(request, "image", most=1) as (file,):
            found = await while_wanted(request, service.inspect(file, extras), seconds)
        request.state.verdict = found.verdict
        return found

    @app.post(
        "/inspect/overlay",
        dependencies=admitted,
        responses={**REFUSALS, 200: {"content": {"image/jpeg": {"schema": BINARY}}}},
        openapi_extra=_form("image", BINARY),
    )
    async def inspect_overlay(request: Request) -> Response:
        """Inspect one image; returns the image with its anomaly map, and the verdict in the header X-Verdict."""
        async with uploaded(request, "image", most=1) as (file,):
            work = service.inspect(file, Extras(map=False, overlay=True))
            found = await while_wanted(request, work, seconds)
        request.state.verdict = found.verdict
        drawn = b64decode(found.overlay_jpeg or "")
        return Response(drawn, media_type="image/jpeg", headers={"X-Verdict": found.verdict})

    @app.post(
        "/inspect/batch",
        dependencies=admitted,
        responses=REFUSALS,
        openapi_extra=_form("images", {"type": "array", "items": BINARY}),
    )
    async def inspect_batch(request: Request, extras: Annotated[Extras, Query()]) -> Batch:
        """Inspect several images; each has its own result or error."""
        async with uploaded(request, "images", most=settings.max_batch) as files:
            found = await while_wanted(request, service.inspect_batch(files, extras), seconds)
        request.state.verdict = [item.verdict for item in found.results]
        return found

    return app


def _form(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a form with one field for the OpenAPI documentation."""
    form = {"type": "object", "required": [field], "properties": {field: schema}}
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": form}}}}


async def _first_problem(_: Request, error: Exception) -> JSONResponse:
    """Answer with one sentence, like other refusals; FastAPI's default would repeat the request."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    return JSONResponse({"detail": f"{problem['loc'][-1]}: {problem['msg']}."}, 422)
