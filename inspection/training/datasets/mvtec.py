"""The layout of MVTec AD and of all that follow it: MPDD, DTD-Synthetic, BTAD, MVTec AD 2.

    PRODUCT/train/good/000.png
    PRODUCT/test/good/000.png
    PRODUCT/test/KIND/000.png
    PRODUCT/ground_truth/KIND/000_mask.png

A mask may also have just the image's name, as in BTAD and in VisA's `1cls` layout.
"""

from dataclasses import dataclass
from pathlib import Path

from inspection.training.datasets.folders import (
    is_empty,
    mask_files,
    pictures,
    stray,
    subfolders,
    without_image,
)
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split
from inspection.training.datasets.words import Words

_MASK_FOLDER = "ground_truth"
#: Folders of good images, in any case; the second is BTAD's.
_GOOD_FOLDERS = (GOOD, "ok")


@dataclass(frozen=True, kw_only=True)
class MvtecLayout:
    """Products in folders of their own, or one product alone."""

    words: Words
    #: Folder of the test split in a product's folder.
    test: str = "test"
    #: Folder of the masks in a product's folder.
    masks: str = _MASK_FOLDER
    #: Folder in the given one that holds the products, where it is there.
    inside: str = ""

    @property
    def expected(self) -> str:
        """The layout in words."""
        return (
            f"PRODUCT/train/good, PRODUCT/{self.test}/good (or ok in both), "
            f"PRODUCT/{self.test}/KIND and PRODUCT/{self.masks}/KIND"
        )

    def fits(self, path: Path) -> bool:
        """Say whether the folder holds products, or is one."""
        root = self._root(path)
        return any(self._is_filled(each) for each in (root, *subfolders(root).values()))

    def load(self, path: Path, split: Split) -> Listing:
        """List the samples of all products."""
        listing = Listing(samples=[], categories=[], remarks=[])
        for category, folder in self._products(path).items():
            listing.categories.append(category)
            if split == "train":
                for kind, kind_folder in subfolders(folder / "train").items():
                    if _is_good(kind):
                        listing.samples.extend(self._good(pictures(kind_folder), category))
            else:
                self._add_test(listing, folder, category)
        return listing

    def _products(self, path: Path) -> dict[str, Path]:
        """Return the products' folders by category."""
        root = self._root(path)
        if self._is_filled(root):
            # A relative path need not end with the product's name.
            return {root.resolve().name: root}
        return {name: each for name, each in subfolders(root).items() if self._is_product(each)}

    def _root(self, path: Path) -> Path:
        return path / self.inside if (path / self.inside).is_dir() else path

    def _is_filled(self, folder: Path) -> bool:
        return any(subfolders(folder / name) for name in (self.test, "train"))

    def _is_product(self, folder: Path) -> bool:
        """Say whether a folder beside a product is one too, if only an empty one."""
        is_product = any((folder / name).is_dir() for name in (self.test, "train"))
        return is_product or is_empty(folder)

    def _good(self, images: list[Path], category: str) -> list[Sample]:
        product = self.words(category)
        return [
            Sample(
                image=image,
                product=product,
                category=category,
                kind=GOOD,
                is_anomalous=False,
                mask=None,
            )
            for image in images
        ]

    def _add_test(self, listing: Listing, folder: Path, category: str) -> None:
        product = self.words(category)
        unused: list[Path] = []
        # Masks of a kind that has no images are looked at too: they are remarked on.
        kinds = subfolders(folder / self.test).keys() | subfolders(folder / self.masks).keys()
        for kind in sorted(kinds - {_MASK_FOLDER}):
            images = pictures(folder / self.test / kind)
            if _is_good(kind):
                listing.samples.extend(self._good(images, category))
                continue
            files = mask_files(folder / self.masks / kind, ending="_mask")
            listing.samples.extend(
                Sample(
                    image=image,
                    product=product,
                    category=category,
                    kind=kind,
                    is_anomalous=True,
                    mask=files.get(image.stem),
                )
                for image in images
            )
            unused += without_image(files, images)
        listing.remarks.extend(stray(unused, f"Masks of {category} without an image"))


def _is_good(kind: str) -> bool:
    return kind.lower() in _GOOD_FOLDERS
