"""The sentences that describe a good and a defective product to the text tower."""

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
    #: 175 sentences about a defective one.
    anomalous: tuple[str, ...]


def prompts_for(product: str) -> Prompts:
    """Return the sentence ensemble for a product's name in plain words, for example `metal nut`."""
    return Prompts(
        normal=_sentences(product, _NORMAL_STATES),
        anomalous=_sentences(product, _ANOMALOUS_STATES),
    )


def _sentences(product: str, states: tuple[str, ...]) -> tuple[str, ...]:
    described = (state.format(product) for state in states)
    return tuple(template.format(words) for words in described for template in _TEMPLATES)
