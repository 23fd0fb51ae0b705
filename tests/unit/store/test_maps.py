"""Drawing anomaly maps as the model would."""

import cv2
import numpy as np
import pytest
import torch

from inspection.errors import InspectionError
from inspection.store import maps
from tests import factories

#: Half a step between two of 256 grey levels.
HALF_GREY_LEVEL = 0.5 / 255


@pytest.mark.parametrize(
    ("shape", "height_px", "width_px"),
    [
        ((4, 32, 32), 512, 512),
        ((4, 24, 24), 1080, 1920),
        ((1, 37, 20), 333, 777),
        ((2, 14, 14), 5, 3),
        ((3, 8, 8), 8, 8),
        ((2, 1, 1), 64, 48),
        ((2, 6, 1), 1, 1),
        ((2, 1, 6), 2, 9),
    ],
)
def test_map_is_drawn_as_the_model_draws_it(
    shape: tuple[int, int, int], height_px: int, width_px: int
) -> None:
    grid = np.random.default_rng(7).normal(0, 6, shape).astype(np.float16)
    logits = torch.nn.functional.interpolate(
        torch.from_numpy(grid.astype(np.float32))[None],
        size=(height_px, width_px),
        mode="bilinear",
        align_corners=True,
    )
    wanted = torch.sigmoid(logits)[0].mean(dim=0).numpy()

    drawn = maps.draw(grid, height_px=height_px, width_px=width_px)

    assert drawn.dtype == np.float32
    assert drawn.shape == (height_px, width_px)
    assert np.abs(drawn - wanted).max() < HALF_GREY_LEVEL / 10


def test_logits_that_overflowed_are_drawn_as_certain() -> None:
    grid = np.array([[[np.inf, -np.inf], [np.inf, -np.inf]]], dtype=np.float16)

    drawn = maps.draw(grid, height_px=2, width_px=2)

    assert drawn.tolist() == [[1, 0], [1, 0]]


def test_grid_of_a_map_is_what_was_kept() -> None:
    values = [0.5, -1.0, 2.0, 65504.0, -3.0, 0.0]

    grid = maps.grid_of(factories.anomaly_map(shape=(1, 2, 3), values=values))

    assert grid.tolist() == [[values[:3], values[3:]]]


def test_heatmap_without_opacity_is_the_frame() -> None:
    frame = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)

    shown = maps.heatmap(factories.anomaly_map(), frame, opacity=0)

    assert np.array_equal(shown, frame)


def test_heatmap_is_lighter_and_yellower_where_the_map_is_higher() -> None:
    frame = np.zeros((20, 30, 3), dtype=np.uint8)
    anomaly_map = factories.anomaly_map(shape=(1, 1, 2), values=[-20, 20])

    shown = maps.heatmap(anomaly_map, frame, opacity=1)

    (low_red, _, low_blue), (high_red, _, high_blue) = shown[10, 0], shown[10, -1]
    assert low_blue > low_red
    assert high_red > high_blue
    assert shown[10, -1].sum() > shown[10, 0].sum()


def test_png_keeps_every_pixel() -> None:
    image = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)

    encoded = np.frombuffer(maps.png(image), dtype=np.uint8)

    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    assert np.array_equal(decoded, image)


def test_image_without_pixels_cannot_be_encoded() -> None:
    with pytest.raises(InspectionError, match="cannot be encoded"):
        maps.png(np.zeros((0, 0, 3), dtype=np.uint8))
