"""Encoded bytes become RGB pixels; what is no picture is refused with a reason.

Rules, so that the same bytes always mean the same pixels:

* The header is read first; a picture with more pixels than allowed is never decoded.
* EXIF orientation is applied. Of an animated file the first frame counts.
* Alpha is composited on white. Palettes and CMYK become RGB.
* Grey with 16 bits is scaled by its depth: values that all fit into 12 bits are taken for 12 bits
  (divided by 4095), all others for 16 (divided by 65535). Floating point grey is taken as 0 to 1.
"""

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from inspection.errors import PictureError

#: Default limit on width times height.
PIXELS_LIMIT_COUNT = 64_000_000

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")
#: How files of these formats begin; WebP's name follows after the size.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"BM", b"GIF8", b"RIFF")
#: What Pillow raises on damaged files, depending on format and place of the damage.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
#: Pixels that are converted at once.
_BAND_PIXELS_COUNT = 1_000_000
_MAX_12_BITS = 4095
_MAX_16_BITS = 65535


def decode(data: bytes, *, pixels_limit_count: int = PIXELS_LIMIT_COUNT) -> NDArray[np.uint8]:
    """Return a picture as ``(H, W, 3)`` uint8 RGB.

    Raises:
        PictureError: the bytes are `empty`, `unsupported`, `corrupt`, `truncated` or the picture
            is `too_large`; the error's `reason` is that word.
    """
    if not data:
        raise PictureError("empty", "the picture has no bytes")
    # Restoring filters is not safe between threads; the worst that can remain is that warnings
    # which come from Pillow stay hidden.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            with _opened(data, pixels_limit_count) as image:
                image.load()
                return _rgb(_upright(image))
        except _DECODING_ERRORS as error:
            raise _damage(error) from error


def kind_of(data: bytes, *, pixels_limit_count: int = PIXELS_LIMIT_COUNT) -> str:
    """Return the format of a picture as Pillow calls it, `JPEG`; its header alone is read.

    Raises:
        PictureError: as for `decode`, but for what only shows when pixels are read.
    """
    if not data:
        raise PictureError("empty", "the picture has no bytes")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            with _opened(data, pixels_limit_count) as image:
                return str(image.format)
        except _DECODING_ERRORS as error:
            raise _damage(error) from error


def _opened(data: bytes, pixels_limit_count: int) -> Image.Image:
    """Read the header and check the size."""
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", f"the picture is too large: {error}") from error
    except UnidentifiedImageError as error:
        if data.startswith(_BEGINNINGS):
            raise PictureError("corrupt", "the picture's header is damaged or cut off") from error
        raise PictureError(
            "unsupported", "the bytes are no JPEG, PNG, TIFF, BMP, GIF or WebP"
        ) from error
    if image.width * image.height > pixels_limit_count:
        raise PictureError(
            "too_large",
            f"the picture claims {image.width} x {image.height} pixels; "
            f"the limit is {pixels_limit_count:,} pixels",
        )
    return image


def _damage(error: BaseException) -> PictureError:
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return PictureError("truncated", "the picture ends before all its pixels were read")
    return PictureError("corrupt", f"the picture cannot be decoded: {error}")


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; damaged EXIF data are as good as none."""
    orientation = 1
    with suppress(*_DECODING_ERRORS):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Convert band by band: a picture of the largest size has hundreds of megabytes as it is."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    is_deep = image.mode.startswith("I") or image.mode == "F"
    highest = _highest(image) if is_deep else 0.0
    for top, band in _bands(image):
        rows = slice(top, top + band.height)
        if is_deep:
            grey = np.rint(np.asarray(band).astype(np.float64) * (255 / highest))
            pixels[rows] = grey.astype(np.uint8)[..., None]
        else:
            pixels[rows] = _shallow_rgb(band)
    return pixels


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Give the picture from top to bottom, each band with its first row."""
    rows = max(1, _BAND_PIXELS_COUNT // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _shallow_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _highest(image: Image.Image) -> float:
    """Return the value that stands for white.

    Raises:
        PictureError: a value is below black or above white, or is no number.
    """
    least, most = 0.0, 0.0
    for _, band in _bands(image):
        values = np.asarray(band)
        is_finite = bool(np.isfinite(values).all())
        least = min(least, float(values.min())) if is_finite else -math.inf
        most = max(most, float(values.max())) if is_finite else math.inf
    highest = 1.0 if image.mode == "F" else _MAX_12_BITS if most <= _MAX_12_BITS else _MAX_16_BITS
    if least < 0 or most > highest:
        raise PictureError("unsupported", "the grey values are outside 16 bits, or 0 to 1 as float")
    return highest
