"""What a camera sees is measured well enough to find a fault in seconds, and to cry no wolf."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.capture.encoding import encoded_rgb
from inspection.capture.rendering import PRODUCTS, Conveyor
from inspection.capture.view import Eye
from inspection.domain.line import Encoding
from inspection.domain.view import LEARN_COUNT, History, Sight, ViewState

Pixels = NDArray[np.uint8]

SIZE_PX = 192
#: Two looks a second.
EVERY_S = 0.5
#: Parts after learning: defective ones among them, in a light that drifts.
RUN_COUNT = 60
#: A fault must be found within so many looks.
SOON_COUNT = 16
#: Bare material has no structure that stays; nobody can see by it that a camera has moved.
BARE = {"woven fabric", "leather", "wooden board"}


def encoded(pixels: Pixels, encoding: Encoding = Encoding.JPEG) -> bytes:
    return encoded_rgb(pixels, encoding=encoding, quality=95)[0]


def lit(pixels: Pixels, drift: float) -> Pixels:
    """Darken the picture by up to a quarter, and one side of it more than the other."""
    across = np.linspace(-0.08, 0.08, pixels.shape[1])[None, :, None]
    return np.clip(pixels * (1 - 0.25 * drift) * (1 + drift * across), 0, 255).astype(np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    """Add the noise of a sensor, which no lens can blur."""
    noise = np.random.default_rng(1).normal(0, 1.5, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def black(pixels: Pixels) -> Pixels:
    return noisy((pixels * 0.01).astype(np.uint8))


def blurred(pixels: Pixels) -> Pixels:
    return noisy(cv2.GaussianBlur(pixels, (0, 0), 0.01 * SIZE_PX))


def moved(pixels: Pixels) -> Pixels:
    """Shift by a tenth of the width, in whole pixels."""
    shift = np.asarray([[1, 0, SIZE_PX // 10], [0, 1, SIZE_PX // 24]], np.float32)
    return cv2.warpAffine(pixels, shift, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REFLECT)


def turned(pixels: Pixels) -> Pixels:
    middle = (SIZE_PX / 2, SIZE_PX / 2)
    turn = cv2.getRotationMatrix2D(middle, 20, 1)
    return cv2.warpAffine(pixels, turn, (SIZE_PX, SIZE_PX), borderMode=cv2.BORDER_REFLECT)


class Camera:
    """A camera over a conveyor, looked at twice a second."""

    def __init__(self, product: str, history: History | None = None, first: int = 0) -> None:
        self._conveyor = Conveyor(product=product, seed=5, size_px=SIZE_PX, defect_rate=0.3)
        self.sight, self._eye = Sight(history or History()), Eye()
        self._number = first

    def picture(self, drift: float = 0.0) -> Pixels:
        return lit(self._conveyor.part(self._number).image, drift)

    def see(self, pixels: Pixels) -> ViewState:
        self._number += 1
        look = self._eye.look(encoded(pixels), at_s=EVERY_S * self._number)
        assert look is not None
        return self.sight.take(look).state


@pytest.mark.parametrize("product", PRODUCTS)
def test_eye_finds_every_fault_within_seconds_and_none_where_there_is_none(product: str) -> None:
    camera = Camera(product)
    states = [camera.see(camera.picture(0)) for _ in range(LEARN_COUNT)]
    states += [camera.see(camera.picture(number / RUN_COUNT)) for number in range(RUN_COUNT)]
    assert {*states} == {ViewState.LEARNING, ViewState.GOOD}

    faults: dict[ViewState, Callable[[Pixels], Pixels]] = {
        ViewState.BLACK: black,
        ViewState.BLURRED: blurred,
    }
    if product not in BARE:
        faults[ViewState.MOVED] = moved
    for state, fault in faults.items():
        ill = Camera(product, camera.sight.history, first=LEARN_COUNT + RUN_COUNT)
        seen = [ill.see(fault(ill.picture(1))) for _ in range(SOON_COUNT)]
        assert seen[-1] is state


def test_eye_sees_that_the_same_picture_comes_again_and_again() -> None:
    camera = Camera("metal washer")
    for _ in range(LEARN_COUNT):
        camera.see(camera.picture())

    frozen = camera.picture()
    seen = [camera.see(frozen) for _ in range(SOON_COUNT)]
    thawed = [camera.see(camera.picture()) for _ in range(SOON_COUNT)]

    assert (seen[0], seen[-1]) == (ViewState.GOOD, ViewState.FROZEN)
    assert (thawed[0], thawed[-1]) == (ViewState.FROZEN, ViewState.GOOD)


def test_eye_sees_that_a_camera_was_turned() -> None:
    camera = Camera("circuit board")
    for _ in range(LEARN_COUNT):
        camera.see(camera.picture())

    assert [camera.see(turned(camera.picture())) for _ in range(SOON_COUNT)][-1] is ViewState.MOVED


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("size", [(64, 48), (1600, 1200)])
def test_eye_measures_pictures_of_any_size_and_encoding(
    encoding: Encoding, size: tuple[int, int]
) -> None:
    grey = np.linspace(0, 255, size[0], dtype=np.uint8)
    pixels = np.repeat(np.tile(grey, (size[1], 1))[..., None], 3, axis=2)

    look = Eye().look(encoded(pixels, encoding), at_s=1.0)

    assert look is not None
    assert look.brightness == pytest.approx(253, abs=2)
    assert look.change is None
    assert look.thumbnail[0] == pytest.approx(8, abs=2)
    assert look.thumbnail[15] == pytest.approx(247, abs=2)


@pytest.mark.parametrize("payload", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut off"])
def test_eye_passes_over_what_is_no_picture(payload: bytes) -> None:
    assert Eye().look(payload, at_s=0.0) is None
