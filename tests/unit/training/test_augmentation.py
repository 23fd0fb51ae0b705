import numpy as np

from inspection.training.augmentation import augment, draw_view


def marked_picture() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with a bright square, and a mask that says where it is."""
    picture = np.full((64, 64, 3), 90, dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=np.uint8)
    picture[20:36, 8:30], mask[20:36, 8:30] = 200, 1
    return picture, mask


def test_augment_moves_the_mask_with_the_picture() -> None:
    picture, mask = marked_picture()

    for seed in range(40):
        rng = np.random.default_rng(seed)
        changed, moved = augment(picture, mask, draw_view(rng), rng)

        grey = changed.mean(axis=2)
        if moved.any():
            assert grey[moved == 1].mean() > grey[moved == 0].mean() + 15


def test_augment_keeps_shape_and_kind() -> None:
    rng = np.random.default_rng(1)
    changed, moved = augment(*marked_picture(), draw_view(rng), rng)

    assert (changed.shape, changed.dtype) == ((64, 64, 3), np.uint8)
    assert (moved.shape, moved.dtype) == ((64, 64), np.uint8)
    assert set(np.unique(moved)) <= {0, 1}


def test_augment_gives_the_same_for_the_same_seed() -> None:
    view = draw_view(np.random.default_rng(2))
    first, again = (augment(*marked_picture(), view, np.random.default_rng(2)) for _ in range(2))

    np.testing.assert_array_equal(first[0], again[0])


def test_augment_leaves_the_original_alone() -> None:
    picture, mask = marked_picture()
    before = picture.copy()

    rng = np.random.default_rng(3)
    augment(picture, mask, draw_view(rng), rng)

    np.testing.assert_array_equal(picture, before)


def test_two_pictures_of_one_view_differ_by_light_and_noise_alone() -> None:
    picture, mask = marked_picture()
    view = draw_view(np.random.default_rng(4))

    first, there = augment(picture, mask, view, np.random.default_rng(5))
    other, also = augment(picture, mask, view, np.random.default_rng(6))

    np.testing.assert_array_equal(there, also)
    assert 0 < np.abs(first.astype(int) - other).mean() < 25
