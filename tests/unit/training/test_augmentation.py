import numpy as np

from inspection.training.augmentation import augment


def marked_picture() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with a bright square, and a mask that says where it is."""
    picture = np.full((64, 64, 3), 90, dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=np.uint8)
    picture[20:36, 8:30], mask[20:36, 8:30] = 200, 1
    return picture, mask


def test_augment_moves_the_mask_with_the_picture() -> None:
    picture, mask = marked_picture()

    for seed in range(40):
        changed, moved = augment(picture, mask, np.random.default_rng(seed))

        bright = changed.mean(axis=2) > changed.mean(axis=2).min() + 50
        assert (bright != moved.astype(bool)).mean() < 0.04


def test_augment_keeps_shape_and_kind() -> None:
    changed, moved = augment(*marked_picture(), np.random.default_rng(1))

    assert (changed.shape, changed.dtype) == ((64, 64, 3), np.uint8)
    assert (moved.shape, moved.dtype) == ((64, 64), np.uint8)
    assert set(np.unique(moved)) <= {0, 1}


def test_augment_gives_the_same_for_the_same_seed() -> None:
    first, again = (augment(*marked_picture(), np.random.default_rng(2)) for _ in range(2))

    np.testing.assert_array_equal(first[0], again[0])


def test_augment_leaves_the_original_alone() -> None:
    picture, mask = marked_picture()
    before = picture.copy()

    augment(picture, mask, np.random.default_rng(3))

    np.testing.assert_array_equal(picture, before)
