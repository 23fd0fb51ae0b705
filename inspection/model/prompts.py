"""The sentences that describe a good and a defective product to the text tower."""

import re
from dataclasses import dataclass

_NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
_ANOMALOUS_STATES = (
    "damaged {}",
    "broken {}",
    "{} with flaw",
    "{} with defect",
    "{} with damage",
)
#: A phrase that begins with one of these follows the product's name as it is.
_CONNECTED = re.compile(
    r"(above|across|along|around|at|behind|below|beside|between|by|from|having|in|inside|lacking|"
    r"missing|near|of|off|on|out|outside|over|showing|through|under|with|within|without)\b",
    re.IGNORECASE,
)
_PHOTO_QUALITIES = (
    "bad",
    "low resolution",
    "cropped",
    "bright",
    "dark",
    "close-up",
    "black and white",
    "jpeg corrupted",
    "blurry",
    "good",
)
_PRODUCT_QUALITIES = ("cool", "large", "small")

_TEMPLATES = (
    *(f"a {quality} photo of {one} {{}}." for quality in _PHOTO_QUALITIES for one in ("a", "the")),
    *(
        f"a photo of {one} {quality} {{}}."
        for quality in _PRODUCT_QUALITIES
        for one in ("a", "the")
    ),
    *(f"a photo of {one} {{}}." for one in ("a", "the", "my", "one")),
    *(f"there is {one} {{}} in the scene." for one in ("a", "the")),
    *(f"this is {one} {{}} in the scene." for one in ("a", "the", "one")),
)


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The sentence ensemble of one product."""

    #: 245 sentences about a product as it should be.
    normal: tuple[str, ...]
    #: 175 sentences about a defective one, and 35 for every defect that the recipe names.
    anomalous: tuple[str, ...]


def prompts_for(product: str, defects: tuple[str, ...] = ()) -> Prompts:
    """Return the sentence ensemble for a product's name in plain words, for example `metal nut`.

    Every phrase in `defects` describes one more defective state. A phrase follows the name: `with
    a missing screw` becomes `metal nut with a missing screw`. One that does not begin with a word
    that connects it (`with`, `on`, `without`, `missing` ...) gets `with` before it: `a crack` and
    `bent pin` become `metal nut with a crack` and `metal nut with bent pin`. Without phrases the
    ensemble is the published one.
    """
    phrases = dict.fromkeys(_connected(defect) for defect in defects if _plain(defect))
    states = [state.format(product) for state in _ANOMALOUS_STATES]
    states += [f"{product} {phrase}" for phrase in phrases]
    return Prompts(
        normal=_sentences([state.format(product) for state in _NORMAL_STATES]),
        anomalous=_sentences(list(dict.fromkeys(states))),
    )


def _connected(defect: str) -> str:
    words = _plain(defect)
    return words if _CONNECTED.match(words) else f"with {words}"


def _plain(defect: str) -> str:
    return " ".join(defect.replace("_", " ").split()).rstrip(".")


def _sentences(described: list[str]) -> tuple[str, ...]:
    return tuple(template.format(words) for words in described for template in _TEMPLATES)
