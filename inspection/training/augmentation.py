"""Random changes to training pictures that no camera would call a defect."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: A picture `(H, W, 3)` uint8 RGB and its defect mask `(H, W)` uint8 of 0 and 1.
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

#: Share of pictures that are shown enlarged, that is as a crop.
_CROP_SHARE = 0.5
_SMALLEST_CROP = 0.8
_LIGHT_SHARE = 0.7
_JPEG_SHARE = 0.3
_BLUR_SHARE = 0.15
_NOISE_SHARE = 0.2


def augment(picture: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> Pair:
    """Return a flipped, turned, cropped and differently lit copy of a picture and its mask."""
    picture, mask = _turn(picture, mask, int(rng.integers(8)))
    if rng.random() < _CROP_SHARE:
        picture, mask = _crop(picture, mask, rng)
    if rng.random() < _LIGHT_SHARE:
        picture = _light(picture, rng)
    return np.ascontiguousarray(_sensor(picture, rng)), np.ascontiguousarray(mask)


def _turn(picture: NDArray[np.uint8], mask: NDArray[np.uint8], way: int) -> Pair:
    picture, mask = np.rot90(picture, way % 4), np.rot90(mask, way % 4)
    return (picture[:, ::-1], mask[:, ::-1]) if way >= 4 else (picture, mask)  # noqa: PLR2004


def _crop(picture: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> Pair:
    size_px = picture.shape[0]
    height, width = (size_px * rng.uniform(_SMALLEST_CROP, 1, size=2)).astype(int)
    top, left = rng.integers(size_px - height + 1), rng.integers(size_px - width + 1)
    window = (slice(top, top + height), slice(left, left + width))
    shape = (size_px, size_px)
    return (
        np.asarray(cv2.resize(picture[window], shape, interpolation=cv2.INTER_LINEAR), np.uint8),
        np.asarray(cv2.resize(mask[window], shape, interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def _light(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change exposure, contrast and white balance by one table a channel."""
    levels = np.linspace(0, 1, 256)
    gamma, gain = np.exp(rng.normal(0, 0.12)), np.exp(rng.normal(0, 0.1))
    tints = np.exp(rng.normal(0, 0.04, size=3))
    tables = [np.clip(255 * gain * tint * levels**gamma, 0, 255) for tint in tints]
    return np.asarray(cv2.LUT(picture, np.stack(tables, axis=1).astype(np.uint8)[None]), np.uint8)


def _sensor(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, add noise or compress as another lens, sensor or camera would."""
    if rng.random() < _BLUR_SHARE:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8)), np.uint8)
    if rng.random() < _NOISE_SHARE:
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1, 4)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < _JPEG_SHARE:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 97))]
        _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(picture), quality)
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return picture
