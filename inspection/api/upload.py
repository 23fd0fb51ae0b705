"""The picture in a request's body: bounded before it is read, looked at before it is decoded."""

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.exceptions import HTTPException

from inspection.domain.frame import MediaType
from inspection.errors import PictureError
from inspection.model.picture import kind_of

#: Media types of pictures, and what the header of such a file says it is.
KINDS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
#: Any of them; the bytes say which.
ANY_KIND: Final = "application/octet-stream"
#: Seconds within which a body must have come.
BODY_S: Final = 30.0
#: What the refusal of a picture is called.
_REFUSALS: Final = {
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


def media_type(request: Request) -> str:
    """Return the media type of a request.

    Raises:
        HTTPException: 415, it is none of a picture.
    """
    named = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if named not in (*KINDS, ANY_KIND):
        known = ", ".join((*KINDS, ANY_KIND))
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send the encoded picture itself with a Content-Type of {known}",
        )
    return named


async def body_of(request: Request, *, limit_bytes: int) -> bytes:
    """Read the body of a request.

    Raises:
        HTTPException: 413, it has more bytes than the limit; 408, it does not come.
    """
    too_large = HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the picture has more than {limit_bytes} bytes; INSPECTION_ENTRY_LIMIT_MB sets the limit",
    )
    said = request.headers.get("Content-Length", "")
    if said.isdecimal() and int(said) > limit_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > limit_bytes:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, f"the picture did not come within {BODY_S:.0f} s"
        ) from error
    return bytes(body)


def checked(picture: bytes, named: str, *, limit_px: int) -> MediaType:
    """Return the media type under which a picture goes on; no pixel is decoded.

    Raises:
        HTTPException: 413, it claims more pixels than are ever decoded; 415, it is none, or not of
            the kind the request names; 422, it is empty or damaged.
    """
    try:
        kind = kind_of(picture, pixels_limit_count=limit_px)
    except PictureError as error:
        status = _REFUSALS.get(error.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        raise HTTPException(status, str(error)) from error
    if named != ANY_KIND and KINDS[named] != kind:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {named}, and the picture is a {kind}",
        )
    match kind:
        case "JPEG":
            return "image/jpeg"
        case "PNG":
            return "image/png"
        case _:
            return "application/octet-stream"
