"""The measures of what a camera sees, taken from its encoded pictures."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspection.domain.view import THUMBNAIL_PX, Look

#: Side of the grey picture that is measured, in px.
SIDE_PX = 192

#: Keeps the logarithm of an even picture finite; far below the detail of any other.
_NO_DETAIL = 1e-9

_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}

Grey = NDArray[np.float32]


class Eye:
    """Looks at the pictures of one camera; remembers the last."""

    def __init__(self) -> None:
        self._last: Grey | None = None

    def look(self, payload: bytes, *, at_s: float) -> Look | None:
        """Measure an encoded picture; None when it cannot be decoded.

        Args:
            payload: the picture. A JPEG is decoded no larger than it is needed.
            at_s: now, in seconds of a clock that only goes forward.
        """
        grey = _decoded(payload)
        if grey is None:
            return None
        last, self._last = self._last, grey
        mean = max(1.0, float(grey.mean()))
        detail = float(cv2.Laplacian(grey, cv2.CV_32F).var())
        small = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        return Look(
            at_s=at_s,
            brightness=float(np.percentile(grey, 99)),
            sharpness=float(np.log(detail / mean**2 + _NO_DETAIL)),
            change=None if last is None else float(cv2.absdiff(grey, last).mean()),
            thumbnail=tuple(round(float(value), 2) for value in small.ravel()),
        )


def _decoded(payload: bytes) -> Grey | None:
    try:
        with Image.open(io.BytesIO(payload)) as image:
            side_px = min(image.size)
        flag = next(
            (flag for times, flag in _REDUCED.items() if side_px >= times * SIDE_PX),
            cv2.IMREAD_GRAYSCALE,
        )
        pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), flag)
    except (OSError, ValueError, cv2.error, Image.DecompressionBombError):
        return None
    if pixels is None:
        return None
    grey = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, dtype=np.float32)
