"""From the body of a request to an image, or to the status that says why not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.decoding import TooManyPixelsError, UnknownFormatError, read_image

MULTIPART = "multipart/form-data"
MAX_FIELDS = 8  # fields that are no files are ignored, but not without end


@asynccontextmanager
async def uploaded(request: Request, field: str, most: int) -> AsyncIterator[list[UploadFile]]:
    """The files of one field of a form; those beyond 1 MiB lie on disk.

    Args:
        request: Its body is read here.
        field: Name of the field.
        most: Files that the form may have.

    Raises:
        HTTPException: 415 for another kind of body, 400 for a broken one or too many files, 422 where the field
            has no file; 408 and 413 of :class:`~reb_pipeline.service.middleware.BoundedBody`.
    """
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        raise HTTPException(415, f"Send {MULTIPART} with a file in the field {field!r}.")
    try:
        form = await request.form(max_files=most, max_fields=MAX_FIELDS)
    except HTTPException:
        raise
    except Exception as error:  # a charset, a connection that ends: whatever a client may do
        raise HTTPException(400, f"The body is no valid {MULTIPART}.") from error
    try:
        files = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not files:
            raise HTTPException(422, f"The form has no file in its field {field!r}.")
        yield files
    finally:
        await form.close()


def decode(file: UploadFile, max_pixels: int) -> np.ndarray:
    """Decode an uploaded image, recognised by its content.

    Args:
        file: Read from its beginning.
        max_pixels: Most pixels, compared with the image's header before any pixel is decoded.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        HTTPException: 415 for what is no image, 413 for too many pixels, 422 for a broken one.
    """
    try:
        return read_image(file.file.read(), file.filename or "image", max_pixels)
    except UnknownFormatError as error:
        raise HTTPException(415, str(error)) from error
    except TooManyPixelsError as error:
        raise HTTPException(413, str(error)) from error
    except InputError as error:
        raise HTTPException(422, str(error)) from error
