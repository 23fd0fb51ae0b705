from pathlib import Path

import numpy as np
import pytest

from inspection.capture.rendering import PRODUCTS, defects_of
from inspection.training.synthesis import (
    STAND_IN_NAMES,
    SURFACE,
    Examples,
    Order,
    render_examples,
    words_for,
)


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    order = Order(
        pairs_count=6,
        first_seed=5,
        size_px=64,
        rendered_sizes_px=(64, 96),
        products=PRODUCTS[:3],
    )
    return render_examples(tmp_path, order, workers_count=1)


def test_examples_are_pairs_of_a_good_and_a_defective_part(examples: Examples) -> None:
    assert examples.labels.tolist() == [0, 1] * 6
    assert examples.masks[0::2].max() == 0
    assert all(mask.max() > 0 for mask in examples.masks[1::2])


def test_examples_take_the_products_in_turn(examples: Examples) -> None:
    assert examples.products[::2] == PRODUCTS[:3] * 2
    for product, defect in zip(examples.products, examples.defects, strict=True):
        assert not defect or defect in defects_of(product)


def test_examples_show_the_same_part_in_both_pictures_of_a_pair(examples: Examples) -> None:
    for good, defective, mask in zip(
        examples.pictures[0::2], examples.pictures[1::2], examples.masks[1::2], strict=True
    ):
        elsewhere = mask == 0
        difference = np.abs(good.astype(int) - defective).mean(axis=2)
        assert difference[elsewhere].mean() < 2


def test_words_are_the_products_name_or_now_and_then_another() -> None:
    rng = np.random.default_rng(0)

    words = {words_for("metal_washer", rng, stand_in_share=0.5) for _ in range(200)}

    assert "metal washer" in words
    assert words - {"metal washer"} <= set(STAND_IN_NAMES)


def test_examples_are_not_rendered_again_when_they_are_there(
    examples: Examples, tmp_path: Path
) -> None:
    other = Order(pairs_count=99, first_seed=0, size_px=64, rendered_sizes_px=(64,))

    again = render_examples(tmp_path, other, workers_count=1)

    np.testing.assert_array_equal(again.pictures, examples.pictures)


def test_surfaces_take_the_place_of_some_products(tmp_path: Path) -> None:
    order = Order(
        pairs_count=8, first_seed=5, size_px=64, rendered_sizes_px=(64,), surfaces_share=1.0
    )

    examples = render_examples(tmp_path / "surfaces", order, workers_count=1)

    assert set(examples.products) == {SURFACE}
    assert examples.labels.tolist() == [0, 1] * 8
