"""Where on a part its defects lie."""

import numpy as np
import pytest

from inspection.capture.rendering.defects import damaged
from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import generator
from inspection.capture.rendering.parts import CATALOGUE, PRODUCTS, defects_of
from inspection.capture.rendering.scene import Scene

SIZE_PX = 256


def scene(product: str, seed: int) -> Scene:
    rng = generator("scene", seed, product)
    return CATALOGUE[product].draw(rng, SIZE_PX, Light.draw(rng)).scene(rng)


@pytest.mark.parametrize("product", PRODUCTS)
def test_defect_lies_on_the_part_and_not_on_the_belt(product: str) -> None:
    for seed, defect in enumerate(defects_of(product)):
        part = scene(product, seed)

        _, mask = damaged(part, defect, generator(defect, seed), SIZE_PX)

        share_on_part = (part.cover[mask] > 0.05).mean()
        assert share_on_part > 0.97, defect


@pytest.mark.parametrize("product", PRODUCTS)
def test_defect_mask_holds_every_clearly_changed_pixel_of_the_part(product: str) -> None:
    for seed, defect in enumerate(defects_of(product)):
        part = scene(product, seed)

        bad, mask = damaged(part, defect, generator(defect, seed), SIZE_PX)

        seen = [np.clip(colour, 0, 255).max(axis=2) for colour in (part.colour, bad.colour)]
        changed = (np.abs(seen[0] - seen[1]) > 30) & (part.cover > 0.5)
        assert not (changed & ~mask).any(), defect


def test_missing_piece_takes_its_shadow_along() -> None:
    part = scene("gear wheel", 1)

    bad, _ = damaged(part, "missing piece", generator(1), SIZE_PX)

    belt = part.cover == 0
    lighter = (bad.colour - part.colour).max(axis=2)[belt]
    assert lighter.max() > 3
    assert lighter.min() > -3


def test_damaged_scene_leaves_the_good_one_as_it_was() -> None:
    part = scene("metal washer", 1)
    before = part.colour.copy()

    damaged(part, "stain", generator(1), SIZE_PX)

    assert np.array_equal(part.colour, before)
