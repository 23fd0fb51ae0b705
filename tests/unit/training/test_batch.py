import numpy as np
import pytest

from inspection.training.batch import draw_batch, named_kinds
from inspection.training.schedule import Schedule
from inspection.training.surfaces.pair import KINDS
from inspection.training.synthesis import Examples

SCHEDULE = Schedule(
    steps_count=10, windows_count=8, wholes_count=4, window_px=32, windows_share=0.5
)
STAIN = 1 + KINDS.index("stain")


@pytest.fixture(scope="module")
def examples() -> Examples:
    rng = np.random.default_rng(0)
    pictures = rng.integers(80, 120, (16, 64, 64, 3), dtype=np.uint8)
    masks = np.zeros((16, 64, 64), dtype=np.uint8)
    for row in range(1, 16, 2):
        masks[row, 20:36, 24:40] = STAIN
    return Examples(
        pictures=pictures, masks=masks, products=("nut",) * 16, defects=("", "stain") * 8
    )


def test_batch_shows_windows_first_and_whole_pictures_later(examples: Examples) -> None:
    early = draw_batch(examples, SCHEDULE, 1, np.random.default_rng(0))
    late = draw_batch(examples, SCHEDULE, 9, np.random.default_rng(0))

    assert early.pictures.shape == (8, 32, 32, 3)
    assert late.pictures.shape == (4, 64, 64, 3)


def test_batch_is_pairs_of_a_good_and_a_defective_picture_of_one_name(examples: Examples) -> None:
    batch = draw_batch(examples, SCHEDULE, 9, np.random.default_rng(1))

    assert batch.masks[0::2].max() == 0
    assert all((mask == STAIN).any() for mask in batch.masks[1::2])
    assert batch.names[0::2] == batch.names[1::2]


def test_windows_of_a_defective_picture_mostly_hold_some_of_the_defect(examples: Examples) -> None:
    shown = [
        mask.any()
        for seed in range(10)
        for mask in draw_batch(examples, SCHEDULE, 1, np.random.default_rng(seed)).masks[1::2]
    ]

    assert np.mean(shown) > 0.8


def test_words_mostly_name_a_defect_that_is_there() -> None:
    masks = np.full((400, 4, 4), STAIN, dtype=np.uint8)

    kinds = named_kinds(masks, np.random.default_rng(0))

    assert 0.7 < np.mean([kind == STAIN - 1 for kind in kinds]) < 0.9
