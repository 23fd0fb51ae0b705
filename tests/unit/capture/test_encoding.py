import io

import numpy as np
import pytest
from PIL import Image

from inspection.capture.encoding import encoded_bgr, encoded_rgb
from inspection.domain.line import Encoding
from inspection.errors import CaptureError


def red(width_px: int = 32, height_px: int = 24) -> np.ndarray:
    image = np.zeros((height_px, width_px, 3), np.uint8)
    image[..., 0] = 255
    return image


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def decoded(payload: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_encoding_keeps_colours_in_their_places(encoding: Encoding) -> None:
    payload, media_type = encoded_rgb(red(), encoding=encoding, quality=95)

    assert media_type == f"image/{encoding.value}"
    assert decoded(payload)[12, 16].tolist() == pytest.approx([255, 0, 0], abs=2)


def test_encoding_swaps_the_colours_of_devices() -> None:
    payload, _ = encoded_bgr(red()[..., ::-1], encoding=Encoding.PNG, quality=95)

    assert (decoded(payload) == red()).all()


def test_png_gives_back_every_pixel() -> None:
    payload, _ = encoded_rgb(noise(), encoding=Encoding.PNG, quality=1)

    assert (decoded(payload) == noise()).all()


def test_jpeg_is_larger_with_more_quality() -> None:
    low, high = (
        encoded_rgb(noise(), encoding=Encoding.JPEG, quality=quality)[0] for quality in (50, 95)
    )

    assert len(low) < len(high)


def test_encoding_refuses_a_picture_too_wide_for_jpeg() -> None:
    with pytest.raises(CaptureError, match="jpg"):
        encoded_rgb(red(width_px=65_536, height_px=1), encoding=Encoding.JPEG, quality=95)
