"""Routes of the interface: models, inspections with a model, and marks on them."""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.inspection.marks import Mark, MarkName
from reb_pipeline.service.access import place_needed
from reb_pipeline.service.answers import Answer, Batch, Extras, Marks, Model, Models, Problem
from reb_pipeline.service.service import Service
from reb_pipeline.service.turns import while_wanted
from reb_pipeline.service.uploads import IMAGE_TYPES, MULTIPART, one_image, uploaded

MODELS = "/v1/models"
BINARY = {"type": "string", "format": "binary"}
_EXTRAS = tuple(Extras.model_fields)


def _refusals(sentences: dict[int, tuple[str, str]]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals for the OpenAPI documentation: status -> what it means, and a sentence as an example."""
    return {
        status: {
            "model": Problem,
            "description": meaning,
            "content": {"application/json": {"example": {"detail": sentence}}},
        }
        for status, (meaning, sentence) in sentences.items()
    }


OF_MODELS = _refusals(
    {
        401: ("No API key, or another one", "Send the API key in the header X-API-Key."),
        404: ("No such model", "Model 'scew' is unknown: did you mean 'screw'?"),
        422: ("An unknown option", "Option 'q' is unknown: this request takes none."),
    }
)
OF_MARKS = _refusals(
    {
        401: ("No API key, or another one", "Send the API key in the header X-API-Key."),
        404: (
            "No such model, or the service stores no marks",
            "This service stores no marks: start it with --marks FILE.",
        ),
        422: (
            "An unknown mark or option, or no SHA-256",
            "mark: Input should be 'false alarm' or 'missed'.",
        ),
        503: (
            "The file of marks cannot be read or written",
            "The service cannot use its file of marks: tell whoever runs it.",
        ),
    }
)
OF_IMAGES = _refusals(
    {
        400: (
            "The form is broken or has too many files",
            "Too many files. Maximum number of files is 1.",
        ),
        401: ("No API key, or another one", "Send the API key in the header X-API-Key."),
        408: ("The body did not arrive in time", "The body did not arrive within 30 s."),
        413: ("Too many bytes or pixels", "The body is longer than 20 MiB."),
        415: (
            "No image",
            "Image 'a.gif' cannot be decoded (its content is not an image of PNG, JPEG, BMP, TIFF, WEBP): replace "
            "the file, or take it out of the data.",
        ),
        422: (
            "A broken image, no file, an unknown field or option, or a value that an option does not take",
            "Option 'ovrelay' is unknown: did you mean 'overlay'?",
        ),
        429: (
            "All places are taken",
            "All 17 places of the service are taken: try again later.",
        ),
        503: (
            "The service is stopping, its disk is full, or the time of the request is over",
            "The service is stopping.",
        ),
    }
)


def model_routes(service: Service) -> APIRouter:
    """Create the routes that describe the models; there is one today.

    Args:
        service: The service.
    """
    router = APIRouter(tags=["models"], dependencies=[Depends(only_options())], responses=OF_MODELS)

    @router.get(MODELS)
    async def models() -> Models:
        """List the models of the service."""
        return Models(models=[service.model()])

    @router.get(f"{MODELS}/{{name}}", dependencies=[Depends(known_model(service))])
    async def model() -> Model:
        """Describe a model: its threshold, and whether it can call a part good or defective."""
        return service.model()

    return router


def mark_routes(service: Service) -> APIRouter:
    """Create the routes of the marks that people set on verdicts.

    Args:
        service: The service.
    """
    router = APIRouter(
        prefix=f"{MODELS}/{{name}}/marks",
        tags=["marks"],
        dependencies=[Depends(known_model(service))],
        responses=OF_MARKS,
    )

    @router.get("", dependencies=[Depends(only_options())])
    def marks() -> Marks:
        """List the marks, as the file of marks that the service stores and the report downloads."""
        return Marks(marks=service.marks())

    @router.put("/{image_sha256}", dependencies=[Depends(only_options("mark"))])
    def put_mark(image_sha256: str, mark: MarkName) -> Mark:
        """Mark a defective part as a false alarm, or a good one as missed; replaces the former mark of the image."""
        return service.put_mark(image_sha256, mark)

    @router.delete("/{image_sha256}", status_code=204, dependencies=[Depends(only_options())])
    def remove_mark(image_sha256: str) -> None:
        """Remove the mark of an image, if there is one."""
        service.remove_mark(image_sha256)

    return router


def inspection_routes(service: Service, is_former: bool) -> APIRouter:
    """Create the routes that inspect images.

    Args:
        service: The service.
        is_former: True for the paths of version 0, which know no name of a model and ignore unknown options and fields.
    """
    # FastAPI would read the body before its dependencies run, so the routes read bodies themselves.
    place = Depends(place_needed(service.turns))
    seconds = service.settings.request_seconds
    prefix = "" if is_former else f"{MODELS}/{{name}}"
    router = APIRouter(
        prefix=prefix,
        tags=["former paths" if is_former else "inspection"],
        responses=OF_IMAGES if is_former else OF_IMAGES | {404: OF_MODELS[404]},
        dependencies=[] if is_former else [Depends(known_model(service))],
        deprecated=is_former or None,
    )

    raw = {} if is_former else {kind: {"schema": BINARY} for kind in IMAGE_TYPES}
    body = _form("image", BINARY, **raw)

    def admitted(*options: str) -> list[Dependency]:
        return [place] if is_former else [Depends(only_options(*options)), place]

    @router.post("/inspect", dependencies=admitted(*_EXTRAS), openapi_extra=body)
    async def inspect(request: Request, extras: Annotated[Extras, Query()]) -> Answer:
        """Inspect one image: PNG, JPEG, BMP, TIFF or WebP, as the body or in a form."""
        async with one_image(request, "image", is_former) as file:
            found = await while_wanted(request, service.inspect(file, extras), seconds)
        request.state.verdict = found.verdict
        return found

    @router.post(
        "/inspect/overlay",
        dependencies=admitted(),
        responses={200: {"content": {"image/jpeg": {"schema": BINARY}}}},
        response_class=Response,
        openapi_extra=body,
    )
    async def inspect_overlay(request: Request) -> Response:
        """Inspect one image; returns the image with its anomaly map, and the verdict in the header X-Verdict."""
        async with one_image(request, "image", is_former) as file:
            work = service.inspect(file, Extras(map=False, overlay=True))
            found = await while_wanted(request, work, seconds)
        request.state.verdict = found.verdict
        drawn = b64decode(found.overlay_jpeg or "")
        return Response(drawn, media_type="image/jpeg", headers={"X-Verdict": found.verdict})

    @router.post(
        "/inspect/batch",
        dependencies=admitted(*_EXTRAS),
        openapi_extra=_form("images", {"type": "array", "items": BINARY}),
    )
    async def inspect_batch(request: Request, extras: Annotated[Extras, Query()]) -> Batch:
        """Inspect several images; each has its own result or error, and those beyond the pixels of a request 413."""
        most = service.settings.max_batch
        async with uploaded(request, "images", most, only=not is_former) as files:
            found = await while_wanted(request, service.inspect_batch(files, extras), seconds)
        request.state.verdict = [item.verdict for item in found.results]
        return found

    return router


def known_model(service: Service) -> Callable[[str], Awaitable[None]]:
    """Create a dependency that answers 404 to the name of another model.

    Args:
        service: The service.
    """
    known = service.about["model"]
    of_docs = Path(description="name of the model", openapi_examples={known: {"value": known}})

    async def check_name(name: Annotated[str, of_docs]) -> None:
        try:
            check_known([name], [known], "Model")
        except InputError as error:
            raise HTTPException(404, str(error)) from error

    return check_name


def only_options(*known: str) -> Callable[[Request], Awaitable[None]]:
    """Create a dependency that answers 422 to other options: a misspelt one would be ignored.

    Args:
        known: Names of the options that the request takes.
    """

    async def check_options(request: Request) -> None:
        try:
            check_known(request.query_params, known, "Option")
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    return check_options


def _form(field: str, schema: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Describe a form with one field for the OpenAPI documentation, and other kinds of bodies."""
    form = {"type": "object", "required": [field], "properties": {field: schema}}
    content = {MULTIPART: {"schema": form}, **others}
    return {"requestBody": {"required": True, "content": content}}
