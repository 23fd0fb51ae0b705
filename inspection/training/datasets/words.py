"""Products in plain words, as the prompts need them.

A text tower knows a `metal nut`, not a `metal_nut`, `pcb3`, `01` or `Data`. Where a set only
numbers its products (BTAD, DAGM), and where nobody says what they are, a general word is better
than a number or a guess.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from inspection.domain.recipe import GENERAL_PRODUCT

#: Names of categories whose plain words do not follow from their spelling.
VISA = {
    "chewinggum": "chewing gum",
    **{f"pcb{number}": "printed circuit board" for number in range(1, 5)},
}
MPDD = {
    "bracket_black": "black bracket",
    "bracket_brown": "brown bracket",
    "bracket_white": "white bracket",
}
MVTEC_AD_2 = {"wallplugs": "wall plugs"}
REAL_IAD = {
    "audiojack": "audio jack",
    "pcb": "printed circuit board",
    "sim_card_set": "SIM card set",
    "terminalblock": "terminal block",
    "u_block": "U-shaped block",
    "usb": "USB connector",
    "usb_adaptor": "USB adaptor",
    "vcpill": "vitamin pill",
    "woodstick": "wooden stick",
}

_SEPARATORS = re.compile(r"[\s_-]+")
_NUMBER_AT_END = re.compile(r"[\s\d]+$")


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a set's categories become products in plain words."""

    #: The product of every category, where their names say nothing.
    always: str | None = None
    #: Products of single categories.
    special: Mapping[str, str] = field(default_factory=dict)
    #: A noun that follows the name: `woven` and `texture`.
    noun: str = ""

    def __call__(self, category: str) -> str:
        """Return the product that a category's images show."""
        if self.always is not None:
            return self.always
        return self.special.get(category) or f"{plain(category)} {self.noun}".strip()


def plain(name: str) -> str:
    """Return a name of a folder in plain words, without the number at its end.

    A name without letters says nothing; `object` stands for it.
    """
    words = _NUMBER_AT_END.sub("", _SEPARATORS.sub(" ", name)).strip().lower()
    return words if any(letter.isalpha() for letter in words) else GENERAL_PRODUCT
