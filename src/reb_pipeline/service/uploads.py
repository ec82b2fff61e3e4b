"""Images from the body of a request; errors become HTTP statuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.decoding import TooManyPixelsError, UnknownFormatError, read_image
from reb_pipeline.images.value_range import ValueRange

MULTIPART = "multipart/form-data"
MAX_FIELDS = 8  # limit of fields without a file, which are ignored


@asynccontextmanager
async def uploaded(request: Request, field: str, most: int) -> AsyncIterator[list[UploadFile]]:
    """Read the files of one field of a form; files above 1 MiB are stored on disk.

    Args:
        request: The request; its body is read here.
        field: Name of the field.
        most: Largest number of files in the form.

    Raises:
        HTTPException: 415 for another kind of body, 400 for a broken body or too many files, 422 if the field has no
            file; 408 and 413 of :class:`~reb_pipeline.service.middleware.BoundedBody`.
    """
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        raise HTTPException(415, f"Send {MULTIPART} with a file in the field {field!r}.")
    try:
        form = await request.form(max_files=most, max_fields=MAX_FIELDS)
    except HTTPException:
        raise
    except (
        Exception
    ) as error:  # any error of the client, such as an unknown charset or a closed connection
        raise HTTPException(400, f"The body is no valid {MULTIPART}.") from error
    try:
        files = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not files:
            raise HTTPException(422, f"The form has no file in its field {field!r}.")
        yield files
    finally:
        await form.close()


def decode(file: UploadFile, max_pixels: int, value_range: ValueRange | None = None) -> np.ndarray:
    """Decode an uploaded image; its format is recognised by its content.

    Args:
        file: The file, read from its beginning.
        max_pixels: Largest number of pixels, checked in the header of the image before decoding.
        value_range: Range of the values of images with more than 8 bits, see
            :func:`reb_pipeline.images.decoding.to_rgb`.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        HTTPException: 415 if it is not an image, 413 for too many pixels, 422 for a broken image or values
            out of range.
    """
    try:
        return read_image(file.file.read(), file.filename or "image", max_pixels, value_range)
    except UnknownFormatError as error:
        raise HTTPException(415, str(error)) from error
    except TooManyPixelsError as error:
        raise HTTPException(413, str(error)) from error
    except InputError as error:
        raise HTTPException(422, str(error)) from error
