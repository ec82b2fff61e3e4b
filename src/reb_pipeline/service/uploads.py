"""Images from the body of a request; errors become HTTP statuses."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import numpy as np
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.images.channels import Channels
from reb_pipeline.images.decoding import (
    TooManyPixelsError,
    UnknownFormatError,
    count_pixels,
    read_image,
)
from reb_pipeline.images.value_range import ValueRange
from reb_pipeline.service.settings import ServiceSettings
from reb_pipeline.service.turns import CLIENT_HUNG_UP

logger = logging.getLogger(__name__)

MULTIPART = "multipart/form-data"
IMAGE_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp")
MAX_FIELDS = 8  # limit of fields without a file
IN_MEMORY = 2**20  # bytes of a body that are not stored on disk, as of files in forms


@asynccontextmanager
async def one_image(request: Request, field: str, is_former: bool) -> AsyncIterator[UploadFile]:
    """Read the image of a request: the body itself if its type is ``image/...``, else the file of a form.

    Args:
        request: The request; its body is read here.
        field: Name of the field of the form.
        is_former: True for the former paths, which take forms only and ignore other fields.

    Raises:
        HTTPException: As of :func:`uploaded`.
    """
    if is_former or not _type_of(request).startswith("image/"):
        async with uploaded(request, field, 1, only=not is_former) as (file,):
            yield file
        return
    with SpooledTemporaryFile(IN_MEMORY) as body:
        file = UploadFile(cast(BinaryIO, body), size=0)
        with _reading():
            async for chunk in request.stream():
                await file.write(chunk)
            await file.seek(0)
        yield file


@asynccontextmanager
async def uploaded(
    request: Request, field: str, most: int, only: bool
) -> AsyncIterator[list[UploadFile]]:
    """Read the files of one field of a form; files above 1 MiB are stored on disk.

    Args:
        request: The request; its body is read here.
        field: Name of the field.
        most: Largest number of files in the form.
        only: True to refuse other fields, which a misspelt name would be; they are ignored otherwise.

    Raises:
        HTTPException: 415 for another kind of body, 400 for a broken body or too many files, 422 if the field has no
            file or another field is refused; 503 if the disk is full; 408 and 413 of
            :class:`~reb_pipeline.service.middleware.BoundedBody`.
    """
    if not _type_of(request).startswith(MULTIPART):
        is_single = only and most == 1
        image = ", or the image as the body with its type, such as image/png" if is_single else ""
        raise HTTPException(415, f"Send {MULTIPART} with a file in the field {field!r}{image}.")
    with _reading():
        form = await request.form(max_files=most, max_fields=MAX_FIELDS)
    try:
        if only:
            _check_fields(form, field)
        files = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not files:
            raise HTTPException(422, f"The form has no file in its field {field!r}.")
        yield files
    finally:
        await form.close()


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").lower()


def _check_fields(form: FormData, field: str) -> None:
    try:
        check_known(form, [field], "Field")
    except InputError as error:
        raise HTTPException(422, str(error)) from error


@contextmanager
def _reading() -> Iterator[None]:
    """Turn the errors of reading a body into statuses."""
    try:
        yield
    except HTTPException:
        raise
    except OSError as error:
        logger.error(
            "An upload cannot be stored (%s): free space in the temporary folder, or set TMPDIR to another.",
            error,
        )
        msg = "The service has no space to store the upload: try again later, and tell whoever runs it."
        raise HTTPException(503, msg, headers={"Retry-After": "60"}) from error
    except ClientDisconnect as error:
        raise HTTPException(CLIENT_HUNG_UP, "The client hung up.") from error
    except Exception as error:  # any error of the client, such as an unknown charset
        raise HTTPException(400, f"The body is no valid {MULTIPART}.") from error


class PixelBudget:
    """Pixels that may be decoded for one request.

    Args:
        settings: Limits of an image and of a request.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._of_image = settings.max_pixels
        self._of_request = settings.max_request_pixels
        self._spent = 0

    def decode(
        self,
        file: UploadFile,
        value_range: ValueRange | None = None,
        channels: Channels | None = None,
    ) -> np.ndarray:
        """Decode an uploaded image within the budget; the pixels of broken images count, too.

        Args:
            file: The file, read from its beginning.
            value_range: As in :func:`decode`.
            channels: As in :func:`decode`.

        Returns:
            uint8 [height, width, 3] RGB.

        Raises:
            HTTPException: As in :func:`decode`; 413 if the request has too many pixels.
        """
        n_pixels = count_pixels(file.file.read())
        file.file.seek(0)
        if n_pixels <= self._of_image:  # larger ones are refused without decoding
            if self._spent + n_pixels > self._of_request:
                msg = f"The images of the request have more than {self._of_request} pixels together: send fewer."
                raise HTTPException(413, msg)
            self._spent += n_pixels
        return decode(file, self._of_image, value_range, channels)


def decode(
    file: UploadFile,
    max_pixels: int,
    value_range: ValueRange | None = None,
    channels: Channels | None = None,
) -> np.ndarray:
    """Decode an uploaded image; its format is recognised by its content.

    Args:
        file: The file, read from its beginning.
        max_pixels: Largest number of pixels, checked in the header of the image before decoding.
        value_range: Range of the values of images with more than 8 bits, see
            :func:`reb_pipeline.images.decoding.to_rgb`.
        channels: Channels that are picked from the file, see :func:`reb_pipeline.images.decoding.decode_image`.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        HTTPException: 415 if it is not an image, 413 for too many pixels, 422 for a broken image or values
            out of range.
    """
    try:
        name = file.filename or "image"
        return read_image(file.file.read(), name, max_pixels, value_range, channels)
    except UnknownFormatError as error:
        raise HTTPException(415, str(error)) from error
    except TooManyPixelsError as error:
        raise HTTPException(413, str(error)) from error
    except InputError as error:
        raise HTTPException(422, str(error)) from error
