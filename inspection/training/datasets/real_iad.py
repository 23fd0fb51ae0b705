"""Real-IAD: thirty products in five views each, and lists in JSON that say what is what.

    realiad_1024/PRODUCT/OK/S0001/…_C1_….jpg
    realiad_1024/PRODUCT/NG/KIND/S0001/…_C1_….jpg  …_C1_…_mask.png
    realiad_jsons/realiad_jsons/PRODUCT.json

    {"meta": {"normal_class": "OK", "prefix": "PRODUCT/"},
     "train": [{"category", "anomaly_class", "image_path", "mask_path"}, …], "test": […]}

Paths in a list are relative to the product's folder. A view in which the defect of a defective
part cannot be seen is in the list as normal, and counts as that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspection.errors import DatasetError
from inspection.training.datasets.folders import pictures_below, stray, subfolders
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split
from inspection.training.datasets.words import REAL_IAD, Words

#: Folders of images, the preferred one first.
_IMAGES = ("realiad_1024", "realiad_512", "realiad_256", "realiad_raw")
#: Folders of lists, the preferred one first; the last two have one view of each part.
_LISTS = (
    "realiad_jsons/realiad_jsons",
    "realiad_jsons",
    "realiad_jsons/realiad_jsons_sv",
    "realiad_jsons_sv",
)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One line of a list."""

    image: str
    mask: str | None
    kind: str


class RealIadLayout:
    """A folder of images of one resolution, and a folder of lists in it or beside it."""

    words = Words(special=REAL_IAD)
    expected = (
        "realiad_1024/PRODUCT (or _512, _256) and realiad_jsons/PRODUCT.json "
        "(realiad_1024 itself may be given too)"
    )

    def fits(self, path: Path) -> bool:
        """Say whether there are lists."""
        return bool(_lists(path))

    def load(self, path: Path, split: Split) -> Listing:
        """List the samples of all products that have both images and a list."""
        listing = Listing(samples=[], categories=[], remarks=[])
        images = _images(path)
        lists = _lists(path)
        there = subfolders(images)
        for category, file in lists.items():
            if category not in there:
                continue
            listing.categories.append(category)
            self._add(listing, there[category], _entries(file, split))
        absent = [name for name in lists if name not in there]
        if not listing.categories:
            message = f"{images} has no folder of any product that has a list, such as {absent[0]}."
            raise DatasetError(message)
        listing.remarks.extend(stray(absent, "Products with a list and without images"))
        others = [name for name in _IMAGES if (path / name).is_dir() and path / name != images]
        if others:
            listing.remarks.append(f"{images.name} is read; {', '.join(others)} is there as well.")
        return listing

    def _add(self, listing: Listing, folder: Path, entries: list[_Entry]) -> None:
        there = pictures_below(folder)
        product = self.words(folder.name)
        missing: list[Path] = []
        for entry in entries:
            if entry.image not in there:
                missing.append(folder / entry.image)
                continue
            is_anomalous = entry.kind != GOOD
            has_mask = is_anomalous and entry.mask in there
            listing.samples.append(
                Sample(
                    image=folder / entry.image,
                    product=product,
                    category=folder.name,
                    kind=entry.kind,
                    is_anomalous=is_anomalous,
                    mask=folder / entry.mask if has_mask and entry.mask else None,
                )
            )
        what = f"Images of {folder.name} that are in its list and not there"
        listing.remarks.extend(stray(missing, what))


def _images(path: Path) -> Path:
    return next((path / name for name in _IMAGES if (path / name).is_dir()), path)


def _lists(path: Path) -> dict[str, Path]:
    """Return the lists by product; beside the given folder too, if it is that of a resolution."""
    roots = (path, path.absolute().parent) if path.absolute().name in _IMAGES else (path,)
    for folder in (root / name for root in roots for name in _LISTS):
        files = sorted(folder.glob("*.json"))
        if files:
            return {file.stem: file for file in files}
    return {}


def _entries(file: Path, split: Split) -> list[_Entry]:
    """Read one split of a list.

    Raises:
        DatasetError: it is not a list as described above.
    """
    try:
        content = json.loads(file.read_bytes())
        normal = content.get("meta", {}).get("normal_class", "OK")
        return [_entry(each, normal, f"{file.stem}/") for each in content[split]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{file} is not a list with image_path and anomaly_class of {split} images."
        raise DatasetError(message) from error


def _entry(line: Mapping[str, Any], normal: str, prefix: str) -> _Entry:
    mask = line.get("mask_path")
    kind = str(line["anomaly_class"])
    return _Entry(
        image=str(line["image_path"]).removeprefix(prefix),
        mask=str(mask).removeprefix(prefix) if mask else None,
        kind=GOOD if kind == normal else kind,
    )
