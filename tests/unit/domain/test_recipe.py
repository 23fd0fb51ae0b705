"""Which recipe is in force, and which defects can be told."""

import pytest

from inspection.domain.recipe import (
    DEFECT_LENGTH,
    DEFECTS_LIMIT,
    Recipe,
    checked_defects,
    recipe_in_force,
)
from inspection.errors import ConfigurationError

NUT = Recipe(product="metal nut", defects=("with a crack",))
OBJECT = Recipe(product="object", defects=("with rust",))
RECIPES = {("line-1", "metal nut"): NUT, ("line-1", "object"): OBJECT}


@pytest.mark.parametrize(
    ("line", "product", "recipe"),
    [
        ("line-1", "metal nut", NUT),
        ("line-1", "metal_nut", Recipe(product="metal_nut")),
        ("line-2", "metal nut", Recipe(product="metal nut")),
        ("line-1", None, OBJECT),
        ("line-1", "", OBJECT),
        ("line-2", None, Recipe(product="object")),
    ],
)
def test_recipe_in_force_is_that_of_the_line_and_the_product_of_the_frame(
    line: str, product: str | None, recipe: Recipe
) -> None:
    assert recipe_in_force(RECIPES, line=line, product=product) == recipe


def test_defects_come_back_in_order_without_superfluous_blanks_and_each_once() -> None:
    defects = ["with rust", "  with\n a crack\t", "with a crack"]

    assert checked_defects(defects) == ("with rust", "with a crack")


def test_as_many_defects_as_long_as_they_may_be_are_taken() -> None:
    defects = [f"{number:02}".ljust(DEFECT_LENGTH, "x") for number in range(DEFECTS_LIMIT)]

    assert checked_defects(defects) == tuple(defects)


@pytest.mark.parametrize(
    ("defects", "words"),
    [
        ([""], "the defect '' says nothing; write for example 'with a missing screw'"),
        ([" \t"], "says nothing"),
        (["with rust", "..."], "says nothing"),
        (["a\0b"], "holds control characters"),
        (["a \ud800"], "holds control characters"),
        (["x" * (DEFECT_LENGTH + 1)], "has 101 characters: write 100 at most"),
        ([f"crack {number}" for number in range(DEFECTS_LIMIT + 1)], "name 20 at most"),
    ],
)
def test_defects_that_cannot_be_told_are_refused(defects: list[str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        checked_defects(defects)
