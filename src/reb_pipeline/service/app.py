"""Application of the service: its pages, middleware and errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from reb_pipeline.inspection.overlay import colours
from reb_pipeline.service.access import HEADER, key_needed
from reb_pipeline.service.answers import Health
from reb_pipeline.service.middleware import BoundedBody, Observation
from reb_pipeline.service.routes import MODELS, inspection_routes, mark_routes, model_routes
from reb_pipeline.service.service import Service
from reb_pipeline.service.settings import ServiceSettings

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

PAGE = files("reb_pipeline.service") / "page"
# File of the page -> its place, and its type.
ASSETS = {
    "reports.css": (files("reb_pipeline.inspection") / "page/style.css", "text/css"),
    "style.css": (PAGE / "style.css", "text/css"),
    "dom.js": (files("reb_pipeline.inspection") / "page/dom.js", "text/javascript"),
    "parts.js": (PAGE / "parts.js", "text/javascript"),
    "page.js": (PAGE / "page.js", "text/javascript"),
}
# The pages load nothing from other hosts, and their content cannot make them do so.
POLICIES = {
    "/": "script-src 'self'; style-src 'self'; img-src data: blob:; connect-src 'self'",
    "/docs": "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'",
}
DESCRIPTION = """Visual inspection with the model {name!r}: an image comes in, a verdict goes out.

```bash
curl -H 'Content-Type: image/png' --data-binary @part.png 'http://127.0.0.1:8000{path}/inspect?map=false'
curl -F image=@part.png 'http://127.0.0.1:8000{path}/inspect?overlay=true&explain=true'
curl -F images=@a.png -F images=@b.png 'http://127.0.0.1:8000{path}/inspect/batch?map=false'
```

Where the service has an API key, add `-H "X-API-Key: $REB_API_KEY"`. A refusal is `{{"detail": "one sentence"}}`.
"""


def create_app(inspector: "Inspector", settings: ServiceSettings) -> FastAPI:
    """Create the service of one packaged model.

    Args:
        inspector: The loaded model; called from several threads if ``settings.workers`` is above one.
        settings: Limits, the file of marks and the API key.

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
        description=DESCRIPTION.format(
            name=inspector.name, path=f"{MODELS}/{quote(inspector.name, safe='')}"
        ),
        version=service.about["version"],
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(BoundedBody, mib=settings.max_upload_mib, seconds=settings.upload_seconds)
    if settings.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origin,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=[HEADER.model.name],
            expose_headers=["Retry-After", "X-Request-ID", "X-Verdict"],
        )
    app.add_middleware(Observation, metrics=service.metrics, policies=POLICIES)
    app.add_exception_handler(RequestValidationError, _first_problem)
    key = [Depends(key_needed(settings.api_key))] if settings.api_key else []

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_page())

    @app.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404, "Not Found")
        place, media_type = ASSETS[name]
        return Response(place.read_bytes(), media_type=media_type)

    @app.get("/health", tags=["service"], responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Check if images are accepted; needs no key."""
        found = service.health()
        response.status_code = 200 if found.status == "ok" else 503
        return found

    @app.get("/metrics", tags=["service"], dependencies=key)
    async def metrics() -> Response:
        """Return metrics in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    app.include_router(model_routes(service), dependencies=key)
    app.include_router(mark_routes(service), dependencies=key)
    app.include_router(inspection_routes(service, is_former=False), dependencies=key)
    app.include_router(inspection_routes(service, is_former=True), dependencies=key)
    return app


def _page() -> str:
    """Compose the page: maps get the colours of overlays, as the tables of an SVG filter."""
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    for name, levels in zip(("red", "green", "blue"), colours()[:, :3].T / 255, strict=True):
        page = page.replace(f"@@{name}@@", " ".join(f"{level:.3f}" for level in levels))
    return page


async def _first_problem(_: Request, error: Exception) -> JSONResponse:
    """Answer with one sentence, like other refusals; FastAPI's default would repeat the request."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    return JSONResponse({"detail": f"{problem['loc'][-1]}: {problem['msg']}."}, 422)
