"""Single rendered parts: pictures and their ground truth."""

import cv2
import numpy as np
import pytest

from inspection.capture.rendering import DEFECTS, PRODUCTS, defects_of, parts, render_part
from inspection.errors import ConfigurationError


@pytest.mark.parametrize("product", PRODUCTS)
def test_part_is_the_same_picture_when_rendered_again(product: str) -> None:
    first = render_part(product, seed=7, size_px=96, defect=defects_of(product)[0])
    parts._design.cache_clear()

    second = render_part(product, seed=7, size_px=96, defect=defects_of(product)[0])

    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.mask, second.mask)


@pytest.mark.parametrize("product", PRODUCTS)
def test_part_is_another_design_when_the_seed_is_another(product: str) -> None:
    first = render_part(product, seed=1, size_px=96)

    second = render_part(product, seed=2, size_px=96)

    difference = first.image.astype(int) - second.image.astype(int)
    assert np.abs(difference).mean() > 3


@pytest.mark.parametrize("product", PRODUCTS)
def test_good_part_has_an_empty_mask(product: str) -> None:
    part = render_part(product, seed=3, size_px=96)

    assert part.defect is None
    assert part.product == product
    assert part.mask.shape == (96, 96)
    assert not part.mask.any()


@pytest.mark.parametrize("size_px", [96, 384])
@pytest.mark.parametrize("product", PRODUCTS)
def test_every_defect_renders_with_a_mask_of_plausible_size(product: str, size_px: int) -> None:
    for defect in defects_of(product):
        part = render_part(product, seed=11, size_px=size_px, defect=defect)

        assert part.image.shape == (size_px, size_px, 3)
        assert part.image.dtype == np.uint8
        assert part.mask.dtype == np.bool_
        assert 0.001 < part.mask.mean() < 0.1, defect


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_defect_changes_the_picture_only_near_its_mask(product: str) -> None:
    good = render_part(product, seed=5, size_px=192)

    for defect in defects_of(product):
        bad = render_part(product, seed=5, size_px=192, defect=defect)

        change = np.abs(good.image.astype(int) - bad.image.astype(int)).max(axis=2)
        near = cv2.dilate(bad.mask.astype(np.uint8), np.ones((31, 31), dtype=np.uint8)) > 0
        assert change[~near].max(initial=0) <= 3, defect
        assert change[bad.mask].mean() > 6, defect


def test_same_part_is_seen_when_size_is_another() -> None:
    large = render_part("printed label", seed=4, size_px=384)

    small = render_part("printed label", seed=4, size_px=96)

    shrunk = cv2.resize(large.image, (96, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.image.astype(int)).mean() < 12


def test_products_and_defects_are_many_and_all_defects_occur() -> None:
    occurring = {defect for product in PRODUCTS for defect in defects_of(product)}

    assert len(PRODUCTS) >= 10
    assert len(DEFECTS) >= 8
    assert occurring == set(DEFECTS)


def test_rendering_names_the_choices_when_the_product_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match="metal washer"):
        render_part("rubber duck", seed=1)

    with pytest.raises(ConfigurationError, match="rubber duck"):
        defects_of("rubber duck")


def test_rendering_names_the_choices_when_the_defect_cannot_occur() -> None:
    with pytest.raises(ConfigurationError, match=r"does not occur on a woven fabric.*stain"):
        render_part("woven fabric", seed=1, defect="corrosion")

    with pytest.raises(ConfigurationError, match="'bruise' is no defect known"):
        render_part("woven fabric", seed=1, defect="bruise")


@pytest.mark.parametrize("size_px", [0, 31, 5000])
def test_rendering_refuses_a_size_out_of_range(size_px: int) -> None:
    with pytest.raises(ConfigurationError, match="size_px"):
        render_part("metal washer", seed=1, size_px=size_px)
