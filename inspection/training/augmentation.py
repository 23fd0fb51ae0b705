"""Random changes to training pictures that no camera would call a defect."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: A picture `(H, W, 3)` uint8 RGB and its mask `(H, W)` uint8.
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

#: Share of views that show less than everything, that is enlarged.
_CROP_SHARE = 0.6
_SMALLEST_CROP = 0.6
_GREY_SHARE = 0.15
_JPEG_SHARE = 0.4
_BLUR_SHARE = 0.25
_NOISE_SHARE = 0.3
#: How much the light of two pictures of one view differs: exposure and white balance.
_FLICKER = 0.03


@dataclass(frozen=True, kw_only=True)
class View:
    """What the pictures of one pair have in common: the camera's place, lens and light."""

    #: One of the eight ways to turn and mirror a square.
    way: int
    #: Top, left, height and width of what is shown, as shares of the picture.
    window: tuple[float, float, float, float]
    #: ``(256, 3)`` brightness, 0 to 1, of each level in R, G and B.
    levels: NDArray[np.float64]
    is_grey: bool
    #: Gaussian blur in px; 0 for none.
    blur_px: float


def draw_view(rng: np.random.Generator) -> View:
    """Return a view drawn at random."""
    window = (0.0, 0.0, 1.0, 1.0)
    if rng.random() < _CROP_SHARE:
        height, width = rng.uniform(_SMALLEST_CROP, 1, size=2)
        window = (rng.uniform(0, 1 - height), rng.uniform(0, 1 - width), height, width)
    ramp = np.linspace(0, 1, 256)
    gamma, gain = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.2))
    tints = np.exp(rng.normal(0, 0.08, size=3))
    lift = max(rng.normal(0, 0.08), 0)
    return View(
        way=int(rng.integers(8)),
        window=window,
        levels=lift + (1 - lift) * gain * ramp[:, None] ** gamma * tints,
        is_grey=bool(rng.random() < _GREY_SHARE),
        blur_px=float(rng.uniform(0.3, 1.1)) if rng.random() < _BLUR_SHARE else 0.0,
    )


def augment(
    picture: NDArray[np.uint8], mask: NDArray[np.uint8], view: View, rng: np.random.Generator
) -> Pair:
    """Return a picture and its mask as seen in a view, with a light and noise of their own."""
    picture, mask = _turn(picture, mask, view.way)
    picture, mask = _crop(picture, mask, view.window)
    flicker = np.exp(rng.normal(0, _FLICKER)) * np.exp(rng.normal(0, _FLICKER / 3, size=3))
    table = np.clip(255 * view.levels * flicker, 0, 255).astype(np.uint8)
    picture = np.asarray(cv2.LUT(np.ascontiguousarray(picture), table[None]), np.uint8)
    if view.is_grey:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if view.blur_px:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), view.blur_px), np.uint8)
    return np.ascontiguousarray(_sensor(picture, rng)), np.ascontiguousarray(mask)


def _turn(picture: NDArray[np.uint8], mask: NDArray[np.uint8], way: int) -> Pair:
    picture, mask = np.rot90(picture, way % 4), np.rot90(mask, way % 4)
    return (picture[:, ::-1], mask[:, ::-1]) if way >= 4 else (picture, mask)  # noqa: PLR2004


def _crop(
    picture: NDArray[np.uint8], mask: NDArray[np.uint8], window: tuple[float, float, float, float]
) -> Pair:
    size_px = picture.shape[0]
    top, left, height, width = (int(share * size_px) for share in window)
    if height == size_px and width == size_px:
        return picture, mask
    shown = (slice(top, top + height), slice(left, left + width))
    shape = (size_px, size_px)
    return (
        np.asarray(cv2.resize(picture[shown], shape, interpolation=cv2.INTER_LINEAR), np.uint8),
        np.asarray(cv2.resize(mask[shown], shape, interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def _sensor(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add noise or compress as another sensor or camera would."""
    if rng.random() < _NOISE_SHARE:
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1, 6)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < _JPEG_SHARE:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 97))]
        _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(picture), quality)
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return picture
