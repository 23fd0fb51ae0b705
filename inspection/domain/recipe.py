"""The recipe: parameters of one product, beside the threshold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from inspection.errors import ConfigurationError

#: Product's name in a recipe when nobody said what is on the picture.
GENERAL_PRODUCT = "object"

#: Phrases of a recipe at most; each is 35 sentences more to encode.
DEFECTS_LIMIT = 20

#: Characters of a phrase at most; text towers read a few dozen words.
DEFECT_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the detector is told about a product."""

    #: What it is called, in words or as a name: `metal nut`, `metal_nut`.
    product: str = GENERAL_PRODUCT
    #: What may be wrong with it, each a phrase that follows its name: `with a missing screw`.
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LineRecipe:
    """The recipe of a line for one product, from one moment on."""

    line: str
    #: Without defects it is withdrawn: the product's name is all the detector is told.
    recipe: Recipe
    #: Counts up from 1 for each line and product.
    version: int
    set_at: datetime
    set_by: str
    reason: str


def recipe_in_force(
    recipes: Mapping[tuple[str, str], Recipe], *, line: str, product: str | None
) -> Recipe:
    """Return what the detector is told about a frame of `line` that shows `product`.

    A frame of which nobody said what is on it shows the general product, `object`, and a line may
    have a recipe for that. Its product is not guessed from what the line is making now, which
    need not be what it made when the frame was taken; thresholds do not guess either.

    Args:
        recipes: those in force, by line and product.
        line: where the frame was taken.
        product: what is on it; None when nobody said.
    """
    named = product or GENERAL_PRODUCT
    return recipes.get((line, named), Recipe(product=named))


def checked_defects(defects: Iterable[str]) -> tuple[str, ...]:
    """Return the phrases, each once, without superfluous blanks.

    Raises:
        ConfigurationError: one says nothing, is too long or holds control characters, or there
            are too many.
    """
    phrases = tuple(dict.fromkeys(_checked_phrase(defect) for defect in defects))
    if len(phrases) > DEFECTS_LIMIT:
        raise ConfigurationError(
            f"a recipe with {len(phrases)} defects cannot be used: name {DEFECTS_LIMIT} at most"
        )
    return phrases


def _checked_phrase(defect: str) -> str:
    phrase = " ".join(defect.split())
    if not any(character.isalnum() for character in phrase):
        raise ConfigurationError(
            f"the defect {defect!r} says nothing; write for example 'with a missing screw'"
        )
    if not phrase.isprintable():
        raise ConfigurationError(f"the defect {defect!r} holds control characters; remove them")
    if len(phrase) > DEFECT_LENGTH:
        raise ConfigurationError(
            f"the defect {phrase[:DEFECT_LENGTH]!r}… has {len(phrase)} characters: write "
            f"{DEFECT_LENGTH} at most"
        )
    return phrase
