"""Medical sets that say of an image whether it is normal, and not where it is not.

    Br35H, BrainMRI    yes/NAME, no/NAME
    HeadCT             labels.csv with the columns id and hemorrhage, head_ct/000.png

Masks that other models have drawn for them are not ground truth and are not read.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from inspection.errors import DatasetError
from inspection.training.datasets.folders import pictures, stray
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split


@dataclass(frozen=True, kw_only=True)
class AnswerLayout:
    """A folder of images with a tumour, `yes`, and one of images without, `no`."""

    #: Name of the only class.
    category: str
    product: str
    expected: str = "the folders yes and no"

    def fits(self, path: Path) -> bool:
        """Say whether both folders are there."""
        return (path / "yes").is_dir() and (path / "no").is_dir()

    def load(self, path: Path, split: Split) -> Listing:
        """List all images.

        Raises:
            DatasetError: the train split is asked for.
        """
        _refuse_train(self.category, split)
        labelled = [
            (image, answer == "yes")
            for answer in ("no", "yes")
            for image in pictures(path / answer)
        ]
        samples = [_sample(self, image, "yes" if bad else GOOD) for image, bad in labelled]
        return Listing(samples=samples, categories=[self.category], remarks=[])


@dataclass(frozen=True, kw_only=True)
class HeadCtLayout:
    """Numbered images, and one list of labels."""

    category: str = "headct"
    product: str = "head"
    expected: str = "labels.csv and head_ct/000.png"

    def fits(self, path: Path) -> bool:
        """Say whether the list and the folder are there."""
        return (path / "labels.csv").is_file() and (path / "head_ct").is_dir()

    def load(self, path: Path, split: Split) -> Listing:
        """List all images that have a label.

        Raises:
            DatasetError: the train split is asked for, or the list cannot be read.
        """
        _refuse_train(self.category, split)
        folder = path / "head_ct"
        # The archive may have been unpacked into a folder of its own name.
        images = pictures(folder) or pictures(folder / "head_ct")
        labels = _labels(path / "labels.csv")
        samples, unlabelled = [], []
        for image in images:
            label = labels.get(int(image.stem)) if image.stem.isdecimal() else None
            if label is None:
                unlabelled.append(image)
            else:
                samples.append(_sample(self, image, "hemorrhage" if label else GOOD))
        remarks = stray(unlabelled, "Images that are not in labels.csv, left out")
        if missing := len(labels) - len(samples):
            remarks.append(f"Labels of labels.csv without an image: {missing:,}.")
        return Listing(samples=samples, categories=[self.category], remarks=remarks)


def _refuse_train(category: str, split: Split) -> None:
    if split == "train":
        message = f"{category} is not split: all its images are test images."
        raise DatasetError(message)


def _sample(layout: AnswerLayout | HeadCtLayout, image: Path, kind: str) -> Sample:
    return Sample(
        image=image,
        product=layout.product,
        category=layout.category,
        kind=kind,
        is_anomalous=kind != GOOD,
        mask=None,
    )


def _labels(file: Path) -> dict[int, bool]:
    """Return the label of each number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            return {int(row["id"]): bool(int(row["hemorrhage"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        message = f"{file} is not a list with the columns id and hemorrhage, both numbers."
        raise DatasetError(message) from error
