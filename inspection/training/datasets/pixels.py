"""Pixels of images and masks.

How a mask becomes binary and is resized changes figures of pixels by several points, so it is done
in one place and in this order:

1. Levels: a pixel is defective from half of the highest level on. Lossless files that have no such
   level hold numbers of kinds (VisA: 1, 2, 3 …): there all but zero is defective.
2. Turn: a mask lies on its image's pixels as they are stored. Where the image says that it is to
   be turned for display, and is turned when read, the mask is turned with it, unless only the
   turned size is that of the mask.
3. Size: a pixel of the result is defective when at least half of its area is. Any pixel that is
   touched (`> 0` after interpolation) would make defects grow by a pixel on each side; one half
   alone would make a defect vanish that is thinner than a pixel, and its image would count as
   anomalous without a defect. So where nothing reaches one half, the most covered pixels stay.
"""

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inspection.errors import DatasetError, PictureError
from inspection.model.picture import decode
from inspection.training.datasets.sample import Sample

#: A level from here on is defective.
_HALF_LEVEL = 128
#: Shades around a hard edge are artefacts of the compression in these, not numbers.
_LOSSY_SUFFIXES = frozenset({".jpeg", ".jpg", ".webp"})
#: Share of a pixel's area, and what rounding may take away from it.
_HALF, _ROUNDING = 0.5, 1e-5

_Mask = NDArray[np.bool_]
#: What brings stored pixels upright, by EXIF orientation.
_TURNS: Mapping[int, Callable[[_Mask], _Mask]] = {
    1: lambda mask: mask,
    2: lambda mask: mask[:, ::-1],
    3: lambda mask: mask[::-1, ::-1],
    4: lambda mask: mask[::-1],
    5: lambda mask: mask.T,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: mask[::-1, ::-1].T,
    8: np.rot90,
}
_LAYING = (5, 6, 7, 8)


def read_image(sample: Sample) -> NDArray[np.uint8]:
    """Return a sample's image, upright, as ``(H, W, 3)`` uint8 RGB.

    Raises:
        DatasetError: the file cannot be read; it is named.
    """
    return _decoded(sample.image)


def read_mask(sample: Sample, size_px: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Return where a sample is defective, ``(H, W)`` bool.

    `size_px` is height and width of the result; none stands for the size of the image. A good
    sample has no defective pixel. A mask may be larger or smaller than its image as long as the
    sides keep their ratio.

    Raises:
        DatasetError: an anomalous sample has no mask, a file cannot be read, or the mask has not
            the shape of the image.
    """
    if not sample.is_anomalous:
        return np.zeros(size_px or _stored_size(sample.image)[0], dtype=np.bool_)
    if sample.mask is None:
        message = f"{sample.image} is anomalous and has no mask."
        raise DatasetError(message)
    mask = read_levels(sample.mask)
    upright, orientation = _stored_size(sample.image)
    stored = upright[::-1] if orientation in _LAYING else upright
    if _is_alike(mask.shape, stored):
        mask = _TURNS[orientation](mask)
    elif not _is_alike(mask.shape, upright):
        message = (
            f"The mask {sample.mask} has {mask.shape[1]} x {mask.shape[0]} pixels, and its image "
            f"{sample.image.name} has {upright[1]} x {upright[0]}."
        )
        raise DatasetError(message)
    return resized(mask, size_px or upright)


def read_levels(file: Path) -> NDArray[np.bool_]:
    """Return where a mask's file is defective, ``(H, W)`` bool at its own size.

    Raises:
        DatasetError: the file cannot be read; it is named.
    """
    # The maximum along the short last axis takes ten times as long.
    red, green, blue = np.moveaxis(_decoded(file), 2, 0)
    levels = np.maximum(np.maximum(red, green), blue)
    is_numbered = levels.max() < _HALF_LEVEL and file.suffix.lower() not in _LOSSY_SUFFIXES
    return np.asarray(levels > 0 if is_numbered else levels >= _HALF_LEVEL)


def resized(mask: NDArray[np.bool_], size_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask at another height and width: what is at least half covered is defective."""
    if mask.shape == size_px:
        return mask
    shares = _shares(mask, size_px)
    result = shares >= _HALF - _ROUNDING
    if mask.any() and not result.any():
        result = shares >= shares.max() - _ROUNDING
    return np.asarray(result)


def _shares(mask: NDArray[np.bool_], size_px: tuple[int, int]) -> NDArray[np.float32]:
    """Return how much of each pixel of another size is defective, 0 to 1."""
    values = mask.astype(np.float32, order="C")
    for axis in (0, 1):
        # OpenCV weighs by area only where both sides shrink; repeated pixels have the same area.
        factor = -(-size_px[axis] // mask.shape[axis])
        if factor > 1:
            values = np.repeat(values, factor, axis=axis)
    shares = cv2.resize(values, size_px[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(shares, dtype=np.float32)


def _is_alike(size: tuple[int, ...], other: tuple[int, int]) -> bool:
    """Say whether two sizes have the same ratio of sides, but for rounding to whole pixels."""
    return 2 * abs(size[0] * other[1] - size[1] * other[0]) <= sum(other)


def _stored_size(file: Path) -> tuple[tuple[int, int], int]:
    """Return an image's upright height and width, and its orientation, from its header."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            orientation = _orientation(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error
    return ((width, height) if orientation in _LAYING else (height, width)), orientation


def _orientation(image: Image.Image) -> int:
    """Return how an image is turned when it is read; 1 is not at all."""
    found = 1
    # Pillow turns TIFF files by itself, and looks for the orientation of a PNG file behind all its
    # pixels unless it comes before them.
    if image.format != "TIFF" and "exif" in image.info:
        # Damaged EXIF data are as good as none.
        with suppress(OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
            found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in _TURNS else 1


def _decoded(file: Path) -> NDArray[np.uint8]:
    try:
        return decode(file.read_bytes())
    except (OSError, PictureError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DatasetError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DatasetError(f"{file} cannot be read: {reason}.")
