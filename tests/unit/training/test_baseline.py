import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.training.baseline import DarknessEdge, PatchMoments, bounded

SIZE_PX = 64


def woven(seed: int = 0, level: int = 128) -> NDArray[np.uint8]:
    """A regular weave with a little noise."""
    x = np.arange(SIZE_PX)
    weave = 30 * np.sin(x / 3)[:, None] * np.sin(x / 3)
    noise = np.random.default_rng(seed).normal(0, 3, (SIZE_PX, SIZE_PX))
    grey = np.clip(level + weave + noise, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def highest(drawn: NDArray[np.float32]) -> tuple[int, int]:
    row, column = np.unravel_index(int(drawn.argmax()), drawn.shape)
    return int(row), int(column)


def test_darkness_edge_is_highest_in_a_dark_spot() -> None:
    image = np.full((SIZE_PX, SIZE_PX, 3), 180, np.uint8)
    image[20:30, 40:50] = 40

    drawn = DarknessEdge().drawn(image)

    row, column = highest(drawn)
    assert drawn.shape == (SIZE_PX, SIZE_PX)
    assert 19 <= row <= 30
    assert 39 <= column <= 50


def test_darkness_edge_of_a_flat_picture_is_zero() -> None:
    drawn = DarknessEdge().drawn(np.full((SIZE_PX, SIZE_PX, 3), 90, np.uint8))

    np.testing.assert_allclose(drawn, 0, atol=1e-3)


def test_darkness_edge_does_not_depend_on_contrast() -> None:
    image = woven()
    strong = np.clip(128 + (image.astype(float) - 128) * 2, 0, 255).astype(np.uint8)

    weak_drawn, strong_drawn = DarknessEdge().drawn(image), DarknessEdge().drawn(strong)

    assert strong_drawn.max() == pytest.approx(weak_drawn.max(), rel=0.1)


def test_patch_pca_is_highest_where_good_pictures_never_looked_so() -> None:
    moments = PatchMoments()
    for seed in range(4):
        moments.add(woven(seed))
    pca = moments.fitted()
    assert pca is not None
    image = woven(9)
    image[20:30, 40:50] = np.random.default_rng(1).integers(0, 256, (10, 10, 3))

    drawn = pca.drawn(image)

    row, column = highest(drawn)
    assert drawn.shape == (SIZE_PX, SIZE_PX)
    assert drawn.max() > 2 * pca.drawn(woven(9)).max()
    assert 18 <= row <= 31
    assert 38 <= column <= 51


def test_patch_pca_of_identical_flat_pictures_finds_nothing_in_another_of_them() -> None:
    flat = np.full((SIZE_PX, SIZE_PX, 3), 77, np.uint8)
    moments = PatchMoments()
    moments.add(flat)

    pca = moments.fitted()

    assert pca is not None
    np.testing.assert_allclose(pca.drawn(flat), 0, atol=1e-2)


def test_patch_pca_cannot_be_made_of_nothing() -> None:
    assert PatchMoments().fitted() is None


def test_bounded_maps_keep_the_order_of_any_values() -> None:
    maps = np.array([-1000, -2, -0.01, 0, 0.01, 3, 3.001, 1000], np.float32)

    found = bounded(maps)

    assert (np.diff(found) > 0).all()
    assert 0 < found[0] < found[-1] < 1
