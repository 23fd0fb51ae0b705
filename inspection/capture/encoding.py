"""Pixels to encoded pictures."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.domain.frame import MediaType
from inspection.domain.line import Encoding
from inspection.errors import CaptureError

#: Lossless at any level; 1 is several times as fast as the default for a little more size.
PNG_LEVEL = 1


def encoded_rgb(
    image: NDArray[np.uint8], *, encoding: Encoding, quality: int
) -> tuple[bytes, MediaType]:
    """Encode `image`, (H, W, 3) uint8, RGB.

    Args:
        image: the pixels.
        encoding: how.
        quality: of a JPEG, 1 to 100.

    Raises:
        CaptureError: the picture cannot be encoded, for example because it is too wide.
    """
    return encoded_bgr(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), encoding=encoding, quality=quality)


def encoded_bgr(image: Any, *, encoding: Encoding, quality: int) -> tuple[bytes, MediaType]:
    """Encode `image`, (H, W, 3) uint8, BGR as OpenCV's devices give it.

    Raises:
        CaptureError: the picture cannot be encoded, for example because it is too wide.
    """
    if encoding is Encoding.PNG:
        return _encoded(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]), "image/png"
    return _encoded(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]), "image/jpeg"


def _encoded(image: Any, suffix: str, options: list[int]) -> bytes:
    try:
        is_encoded, data = cv2.imencode(suffix, image, options)
    except cv2.error as error:
        raise CaptureError(f"a picture cannot be encoded as {suffix[1:]}: {error.err}") from error
    if not is_encoded:
        raise CaptureError(f"a picture of shape {image.shape} cannot be encoded as {suffix[1:]}")
    return bytes(data)
