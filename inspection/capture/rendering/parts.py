"""Products that can be rendered, and single pictures of their parts."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.defects import KINDS, damaged
from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import generator
from inspection.capture.rendering.pixels import Bytes
from inspection.capture.rendering.products.blister import Blister
from inspection.capture.rendering.products.board import Board
from inspection.capture.rendering.products.cap import Cap
from inspection.capture.rendering.products.circuit import Circuit
from inspection.capture.rendering.products.fabric import Fabric
from inspection.capture.rendering.products.gear import Gear
from inspection.capture.rendering.products.label import Label
from inspection.capture.rendering.products.leather import Leather
from inspection.capture.rendering.products.nut import Nut
from inspection.capture.rendering.products.plate import Plate
from inspection.capture.rendering.products.tile import Tile
from inspection.capture.rendering.products.washer import Washer
from inspection.capture.rendering.scene import Scene
from inspection.errors import ConfigurationError

#: Least side of the picture a scene is drawn in; smaller pictures are shrunk from it.
_LEAST_WORK_PX = 256

#: Sides of pictures that can be rendered, in px.
SIZES_PX = (32, 2048)


class Design(Protocol):
    """One design of a product: parts of it differ only as parts of one batch do."""

    @property
    def light(self) -> Light:
        """The camera's light."""
        ...

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next part of this design."""
        ...


@dataclass(frozen=True, kw_only=True)
class Product:
    """A family of parts."""

    draw: Callable[[np.random.Generator, int, Light], Design]
    """Makes a design for pictures with a side of so many px."""
    defects: tuple[str, ...]
    """Defects that make sense on it."""


_METAL = ("scratch", "crack", "dent", "stain", "contamination", "corrosion")

CATALOGUE: Mapping[str, Product] = {
    "metal washer": Product(draw=Washer.draw, defects=(*_METAL, "missing piece")),
    "printed label": Product(
        draw=Label.draw,
        defects=("scratch", "stain", "hole", "missing piece", "misprint", "contamination"),
    ),
    "woven fabric": Product(
        draw=Fabric.draw, defects=("stain", "hole", "contamination", "broken thread")
    ),
    "gear wheel": Product(draw=Gear.draw, defects=(*_METAL, "missing piece")),
    "hexagon nut": Product(draw=Nut.draw, defects=(*_METAL, "missing piece")),
    "brushed metal plate": Product(draw=Plate.draw, defects=(*_METAL, "hole")),
    "bottle cap": Product(
        draw=Cap.draw,
        defects=("scratch", "dent", "stain", "misprint", "contamination", "corrosion"),
    ),
    "leather": Product(
        draw=Leather.draw, defects=("scratch", "crack", "dent", "stain", "hole", "contamination")
    ),
    "wooden board": Product(
        draw=Board.draw,
        defects=("scratch", "crack", "dent", "stain", "hole", "missing piece", "contamination"),
    ),
    "ceramic tile": Product(
        draw=Tile.draw,
        defects=("scratch", "crack", "stain", "missing piece", "misprint", "contamination"),
    ),
    "circuit board": Product(
        draw=Circuit.draw, defects=("scratch", "crack", "stain", "missing piece", "contamination")
    ),
    "pill blister": Product(
        draw=Blister.draw,
        defects=("scratch", "crack", "dent", "stain", "hole", "missing piece", "contamination"),
    ),
}

PRODUCTS: tuple[str, ...] = tuple(CATALOGUE)


@dataclass(frozen=True, kw_only=True)
class RenderedPart:
    """A camera picture of a part, with its ground truth."""

    image: Bytes
    """(H, W, 3) uint8, RGB."""
    mask: NDArray[np.bool_]
    """(H, W): where the defect can be seen."""
    product: str
    """One of `PRODUCTS`."""
    defect: str | None
    """One of the product's defects; none on a good part."""


def defects_of(product: str) -> tuple[str, ...]:
    """Return the defects that make sense on a product.

    Raises:
        ConfigurationError: there is no such product.
    """
    return _product(product).defects


def render_part(
    product: str, *, seed: int, size_px: int = 384, defect: str | None = None
) -> RenderedPart:
    """Return a part of a design of its own; equal arguments give equal pictures.

    With and without a defect, the same seed shows the same part, light and sensor noise.

    Raises:
        ConfigurationError: unknown product, a defect it cannot have, or a size out of range.
    """
    return render_of_design(product, (seed, seed), size_px, defect)


def render_of_design(
    product: str, seeds: tuple[int, int], size_px: int, defect: str | None
) -> RenderedPart:
    """Return a part of the design and the part number that `seeds` give.

    Raises:
        ConfigurationError: unknown product, a defect it cannot have, or a size out of range.
    """
    check(product, size_px, defect)
    design_seed, part_seed = seeds
    work_px = size_px * -(-_LEAST_WORK_PX // size_px)
    design = _design(product, design_seed, work_px)
    entropy = (design_seed, part_seed, product)
    scene = design.scene(generator("part", *entropy))
    mask: NDArray[np.bool_] = np.zeros((size_px, size_px), dtype=np.bool_)
    if defect is not None:
        scene, mask = damaged(scene, defect, generator(defect, *entropy), size_px)
    colour = scene.colour
    if work_px != size_px:
        small = cv2.resize(colour, (size_px, size_px), interpolation=cv2.INTER_AREA)
        colour = np.asarray(small, dtype=np.float32)
    image = design.light.expose(colour, generator("sensor", *entropy))
    return RenderedPart(image=image, mask=mask, product=product, defect=defect)


def check(product: str, size_px: int, defect: str | None = None) -> None:
    """Refuse what cannot be rendered.

    Raises:
        ConfigurationError: unknown product, a defect it cannot have, or a size out of range.
    """
    known = _product(product).defects
    if defect is not None and defect not in known:
        reason = "does not occur on" if defect in KINDS else "is no defect known for"
        message = f"{defect!r} {reason} a {product}; choose one of: {', '.join(known)}."
        raise ConfigurationError(message)
    if not SIZES_PX[0] <= size_px <= SIZES_PX[1]:
        message = f"size_px is {size_px}; choose {SIZES_PX[0]} to {SIZES_PX[1]}."
        raise ConfigurationError(message)


def _product(name: str) -> Product:
    try:
        return CATALOGUE[name]
    except KeyError as error:
        message = f"No product {name!r} can be rendered; choose one of: {', '.join(PRODUCTS)}."
        raise ConfigurationError(message) from error


@functools.lru_cache(maxsize=8)
def _design(product: str, seed: int, work_px: int) -> Design:
    rng = generator("design", seed, product)
    light = Light.draw(rng)
    return CATALOGUE[product].draw(rng, work_px, light)
