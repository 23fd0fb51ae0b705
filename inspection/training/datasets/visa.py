"""VisA as it is downloaded.

PRODUCT/Data/Images/Normal/0000.JPG
PRODUCT/Data/Images/Anomaly/000.JPG
PRODUCT/Data/Masks/Anomaly/000.png      pixels are numbers of kinds of defects, 0 is none
split_csv/1cls.csv                      object,split,label,image,mask
"""

import csv
from pathlib import Path

from inspection.errors import DatasetError
from inspection.training.datasets.folders import (
    mask_files,
    pictures,
    stray,
    subfolders,
    without_image,
)
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split
from inspection.training.datasets.words import VISA, Words

_IMAGES, _MASKS = Path("Data", "Images"), Path("Data", "Masks")
_NORMAL, _ANOMALY = "Normal", "Anomaly"
_LIST = Path("split_csv", "1cls.csv")


class VisaLayout:
    """Products with all their images, and one list that says which split they are of."""

    words = Words(special=VISA)
    expected = (
        "PRODUCT/Data/Images/Normal, PRODUCT/Data/Images/Anomaly, PRODUCT/Data/Masks/Anomaly "
        "and split_csv/1cls.csv"
    )

    def fits(self, path: Path) -> bool:
        """Say whether the folder holds products of the raw layout."""
        return bool(_products(path))

    def load(self, path: Path, split: Split) -> Listing:
        """List the images of a split, or of no split at all where the list is missing."""
        products = _products(path)
        listing = Listing(samples=[], categories=list(products), remarks=[])
        listed = _listed(path / _LIST, split)
        for category, folder in products.items():
            samples = self._samples(listing, folder, category)
            if listed is not None:
                samples = {name: each for name, each in samples.items() if name in listed}
            listing.samples.extend(samples.values())
        if listed is None:
            listing.remarks.append(
                f"{path / _LIST} is missing: all images count as test images, so that there are "
                "more good ones than in published figures."
            )
            return listing
        there = {_name(path, sample) for sample in listing.samples}
        missing = [path / name for name in listed if name not in there]
        listing.remarks.extend(stray(missing, f"Images of {_LIST.name} that are not there"))
        return listing

    def _samples(self, listing: Listing, folder: Path, category: str) -> dict[str, Sample]:
        """Return all images of a product by the names that the list has for them."""
        files = mask_files(folder / _MASKS / _ANOMALY)
        samples: dict[str, Sample] = {}
        for kind in (_NORMAL, _ANOMALY):
            for image in pictures(folder / _IMAGES / kind):
                sample = Sample(
                    image=image,
                    product=self.words(category),
                    category=category,
                    kind=kind if kind == _ANOMALY else GOOD,
                    is_anomalous=kind == _ANOMALY,
                    mask=files.get(image.stem) if kind == _ANOMALY else None,
                )
                samples[_name(folder.parent, sample)] = sample
        unused = without_image(files, pictures(folder / _IMAGES / _ANOMALY))
        listing.remarks.extend(stray(unused, f"Masks of {category} without an image"))
        return samples


def _products(path: Path) -> dict[str, Path]:
    return {name: each for name, each in subfolders(path).items() if (each / _IMAGES).is_dir()}


def _name(path: Path, sample: Sample) -> str:
    return sample.image.relative_to(path).as_posix()


def _listed(file: Path, split: Split) -> set[str] | None:
    """Return the images of a split; none where there is no list.

    Raises:
        DatasetError: the list cannot be read or has no image of the split, or there is none and
            the train split is asked for.
    """
    if not file.is_file():
        if split == "train":
            message = f"VisA's train split needs {file}, which is missing."
            raise DatasetError(message)
        return None
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["split"] == split]
            listed = {row["image"] for row in rows if row["image"]}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        message = f"{file} is not a list with the columns object, split, label, image and mask."
        raise DatasetError(message) from error
    if not listed:
        message = f"{file} lists no {split} images."
        raise DatasetError(message)
    return listed
