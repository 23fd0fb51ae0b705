"""DAGM 2007: ten textures, each with a mask (a rough ellipse) for the defective images only.

Class1/Train/0001.PNG  Class1/Train/Label/0001_label.PNG
Class1/Test/0001.PNG   Class1/Test/Label/0001_label.PNG
"""

from pathlib import Path

from inspection.training.datasets.folders import mask_files, pictures, stray, subfolders
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split

_SPLITS = ("Test", "Train")
_PRODUCT, _KIND = "textured surface", "defect"


class DagmLayout:
    """One folder a texture."""

    expected = "ClassN/Train and ClassN/Test with NNNN.PNG and Label/NNNN_label.PNG in each"

    def fits(self, path: Path) -> bool:
        """Say whether there are textures with images directly in the folder of a split."""
        folders = [each / split for each in _textures(path).values() for split in _SPLITS]
        return any(pictures(folder) for folder in folders)

    def load(self, path: Path, split: Split) -> Listing:
        """List a split; an image with a mask is defective."""
        textures = _textures(path)
        listing = Listing(samples=[], categories=list(textures), remarks=[])
        for category, folder in textures.items():
            split_folder = folder / split.capitalize()
            files = mask_files(split_folder / "Label", ending="_label")
            for image in pictures(split_folder):
                mask = files.pop(image.stem, None)
                listing.samples.append(
                    Sample(
                        image=image,
                        product=_PRODUCT,
                        category=category,
                        kind=GOOD if mask is None else _KIND,
                        is_anomalous=mask is not None,
                        mask=mask,
                    )
                )
            listing.remarks.extend(stray(files.values(), f"Masks of {category} without an image"))
        return listing


def _textures(path: Path) -> dict[str, Path]:
    return {
        name: folder
        for name, folder in subfolders(path).items()
        if any((folder / split).is_dir() for split in _SPLITS)
    }
