"""Training examples from the renderer: pairs of the same part, once good and once defective."""

import functools
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering import PRODUCTS, defects_of, render_part
from inspection.model.picture import decode
from inspection.training.surfaces.pair import KINDS, Pair, draw_pair

#: Names that take the product's place now and then, so that an unknown name still works.
STAND_IN_NAMES = (
    "object", "part", "piece", "product", "item", "component", "surface", "material", "sample",
    "workpiece", "article", "casting", "plate", "disc", "ring", "tile", "bottle", "cable", "pill",
    "capsule", "screw", "nut", "bolt", "leather", "wood", "carpet", "grid", "zipper", "toothbrush",
    "transistor", "circuit board", "candle", "cashew", "chewing gum", "macaroni", "pipe", "bracket",
    "tube", "leaf", "coffee leaf", "cloth", "paper", "box", "lid", "bearing", "gasket", "spring",
    "connector", "magnet", "motor part", "glass", "lens", "foil", "film", "sheet", "cap", "can",
)  # fmt: skip

#: What a random surface is called in the table, and what is wrong with it.
SURFACE = "surface"
SURFACE_DEFECT = "several"
#: Share of the pocket checkpoint's pairs that show random surfaces in place of products.
SURFACES_SHARE = 0.7
#: Rendered products' defects that go by another name in `KINDS`.
_KIND_OF = {"misprint": "extra ink", "broken thread": "break in a line"}
_PHOTOGRAPH_SUFFIXES = (".jpg", ".jpeg", ".png")

_PICTURES_FILE = "pictures.npy"
_MASKS_FILE = "masks.npy"
_TABLE_FILE = "table.json"
#: A stored mask's pixel is 1 where more than this, of 255, of its area is defective.
_DEFECTIVE_LEVEL = 63
#: Pairs that one worker renders at a time.
_PORTION_COUNT = 32


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is rendered into a set of examples."""

    #: Pairs of a good and a defective picture.
    pairs_count: int
    #: Seed of the first pair; pair `i` has seed `first_seed + i`.
    first_seed: int
    #: Edge of a stored picture.
    size_px: int
    #: Edges at which parts are rendered in turn before they are shrunk to `size_px`.
    rendered_sizes_px: tuple[int, ...]
    #: Products in turn; one may stand there several times.
    products: tuple[str, ...] = tuple(PRODUCTS)
    #: Of `pairs_count` pairs this share shows random surfaces in place of products, 0 to 1.
    surfaces_share: float = 0.0
    #: Folder with photographs of good parts, pieces of which become surfaces as well.
    photographs: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Rendered examples on disk; 2i is the good picture of pair i, 2i + 1 the defective one."""

    #: ``(2 pairs, H, W, 3)`` uint8 RGB, memory-mapped.
    pictures: NDArray[np.uint8]
    #: ``(2 pairs, H, W)`` uint8, memory-mapped: 0, or 1 + the place in `KINDS` of the defect.
    masks: NDArray[np.uint8]
    #: The product of each picture.
    products: tuple[str, ...]
    #: The defect of each picture, empty for a good one.
    defects: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """``(2 pairs,)`` 0 for good, 1 for defective."""
        return np.asarray([bool(defect) for defect in self.defects], dtype=np.int64)


def render_examples(folder: Path, order: Order, *, workers_count: int) -> Examples:
    """Render a set of examples into a folder, or open it where it was rendered before."""
    if (folder / _TABLE_FILE).is_file():
        return open_examples(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count, size_px = 2 * order.pairs_count, order.size_px
    for name, shape in (
        (_PICTURES_FILE, (count, size_px, size_px, 3)),
        (_MASKS_FILE, (count, size_px, size_px)),
    ):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.uint8, shape=shape)
    portions = range(0, order.pairs_count, _PORTION_COUNT)
    render = partial(_render_portion, folder, order)
    if workers_count > 1:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers_count, mp_context=spawn) as pool:
            rendered = list(pool.map(render, portions))
    else:
        rendered = [render(first) for first in portions]
    rows = [row for portion in rendered for row in portion]
    # Written last: a folder without its table is rendered again.
    (folder / _TABLE_FILE).write_text(json.dumps(rows), encoding="utf-8")
    return open_examples(folder)


def open_examples(folder: Path) -> Examples:
    """Open a rendered set."""
    rows = json.loads((folder / _TABLE_FILE).read_text(encoding="utf-8"))
    return Examples(
        pictures=np.load(folder / _PICTURES_FILE, mmap_mode="r"),
        masks=np.load(folder / _MASKS_FILE, mmap_mode="r"),
        products=tuple(product for product, _ in rows),
        defects=tuple(defect for _, defect in rows),
    )


def words_for(product: str, rng: np.random.Generator, *, stand_in_share: float) -> str:
    """Return the product's name in words, or a stand-in now and then."""
    if rng.random() < stand_in_share:
        return str(rng.choice(STAND_IN_NAMES))
    return product.replace("_", " ")


def _render_portion(folder: Path, order: Order, first: int) -> list[tuple[str, str]]:
    cv2.setNumThreads(1)
    pictures = np.load(folder / _PICTURES_FILE, mmap_mode="r+")
    masks = np.load(folder / _MASKS_FILE, mmap_mode="r+")
    photographs = _photographs(order.photographs)
    rows: list[tuple[str, str]] = []
    for index in range(first, min(first + _PORTION_COUNT, order.pairs_count)):
        rng = np.random.default_rng((order.first_seed, index))
        if rng.random() < order.surfaces_share:
            pair = draw_pair(rng, order.size_px, photographs)
            rows += [(SURFACE, ""), (SURFACE, SURFACE_DEFECT)]
        else:
            pair, defect = _product_pair(order, index)
            product = order.products[index % len(order.products)]
            rows += [(product, ""), (product, defect)]
        pictures[2 * index], pictures[2 * index + 1] = pair.good, pair.defective
        masks[2 * index], masks[2 * index + 1] = 0, pair.mask
    return rows


def _product_pair(order: Order, index: int) -> tuple[Pair, str]:
    """Return a product's part twice, and the name of the defect."""
    turn, place = divmod(index, len(order.products))
    product = order.products[place]
    defects = tuple(defects_of(product))
    defect = defects[(turn + place) % len(defects)]
    rendered_px = order.rendered_sizes_px[turn % len(order.rendered_sizes_px)]
    seed = order.first_seed + index
    good = render_part(product, seed=seed, size_px=rendered_px)
    defective = render_part(product, seed=seed, size_px=rendered_px, defect=defect)
    covered = shrink(defective.mask.astype(np.uint8) * 255, order.size_px) > _DEFECTIVE_LEVEL
    code = 1 + KINDS.index(_KIND_OF.get(defect, defect))
    pair = Pair(
        good=shrink(good.image, order.size_px),
        defective=shrink(defective.image, order.size_px),
        mask=(covered * code).astype(np.uint8),
    )
    return pair, defect


@functools.lru_cache(maxsize=1)
def _photographs(folder: Path | None) -> tuple[NDArray[np.uint8], ...]:
    if folder is None:
        return ()
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in _PHOTOGRAPH_SUFFIXES
    )
    return tuple(decode(path.read_bytes()) for path in paths)


def shrink(picture: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return a picture at another size, averaged over the area of each new pixel."""
    shape = (size_px, size_px)
    return np.asarray(cv2.resize(picture, shape, interpolation=cv2.INTER_AREA), dtype=np.uint8)
