"""Encoded pictures of parts, rendered once, and folders that hold many of them."""

import itertools
import os
from pathlib import Path

from inspection.capture.encoding import encoded_rgb
from inspection.capture.rendering import Conveyor
from inspection.domain.line import Encoding

PRODUCTS = ("metal washer", "printed label", "woven fabric")
PICTURES_PER_PRODUCT = 80


def render(folder: Path) -> Path:
    """Render `PICTURES_PER_PRODUCT` pictures of every product into `folder`."""
    for product in PRODUCTS:
        conveyor = Conveyor(product=product, seed=1)
        for index in range(PICTURES_PER_PRODUCT):
            part = conveyor.part(index)
            payload, _ = encoded_rgb(part.image, encoding=Encoding.JPEG, quality=95)
            (folder / f"{product.replace(' ', '-')}-{index:03}.jpg").write_bytes(payload)
    return folder


def lay_out(pictures: Path, folder: Path, *, product: str, count: int) -> Path:
    """Fill `folder` with `count` links to the pictures of a product, in turn."""
    folder.mkdir()
    files = itertools.cycle(sorted(pictures.glob(f"{product.replace(' ', '-')}-*")))
    for number, file in enumerate(itertools.islice(files, count)):
        os.link(file, folder / f"{number:06}.jpg")
    return folder
