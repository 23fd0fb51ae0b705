import numpy as np
import pytest

from inspection.training.surfaces.imperfection import IMPERFECTIONS, damaged
from inspection.training.surfaces.layout import printed, textured
from inspection.training.surfaces.pair import KINDS, draw_pair


def test_pair_shows_the_same_surface_twice_and_the_mask_says_where_not() -> None:
    for seed in range(12):
        pair = draw_pair(np.random.default_rng(seed), 64)

        changed = np.abs(pair.good.astype(int) - pair.defective).max(axis=2)
        assert pair.mask.any()
        assert changed[pair.mask > 0].mean() > 2 * changed[pair.mask == 0].mean()


def test_equal_seeds_give_equal_pairs() -> None:
    first, again = (draw_pair(np.random.default_rng(5), 64) for _ in range(2))

    np.testing.assert_array_equal(first.defective, again.defective)
    np.testing.assert_array_equal(first.mask, again.mask)


def test_mask_says_which_kind_of_damage_it_is() -> None:
    found = set[int]()
    for seed in range(60):
        found |= set(np.unique(draw_pair(np.random.default_rng(seed), 64).mask).tolist())

    assert found - {0} <= set(range(1, len(KINDS) + 1))
    assert len(found) > 8


def test_pieces_of_photographs_become_surfaces() -> None:
    photograph = np.full((80, 90, 3), (200, 30, 90), dtype=np.uint8)

    seeds = [np.random.default_rng(seed) for seed in range(60)]
    spread = [float(draw_pair(rng, 64, (photograph,)).good.std(axis=(0, 1)).max()) for rng in seeds]

    assert min(spread) < 25


@pytest.mark.parametrize("kind", KINDS)
def test_every_imperfection_can_be_seen_on_some_surface(kind: str) -> None:
    draw = printed if IMPERFECTIONS[kind].needs_print else textured
    areas = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        surface = draw(rng, 64)
        after, seen = damaged(surface, kind, rng, is_grey=False)
        areas.append(seen.mean())
        assert after.shape == surface.colours.shape
        assert after.min() >= 0
        assert after.max() <= 1

    assert 0 < np.mean(areas) < 0.6


def test_grey_surface_stays_grey_when_it_is_damaged() -> None:
    rng = np.random.default_rng(3)
    surface = textured(rng, 64)
    grey = type(surface)(
        colours=np.repeat(surface.colours.mean(axis=2, keepdims=True), 3, axis=2),
        cover=surface.cover,
        behind=surface.behind,
    )

    after, _ = damaged(grey, "corrosion", rng, is_grey=True)

    assert np.ptp(after, axis=2).max() < 1e-5
