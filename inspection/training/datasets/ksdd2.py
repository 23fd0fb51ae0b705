"""KolektorSDD2: one product, images and masks side by side.

    train/10000.png  train/10000_GT.png
    test/20000.png   test/20000_GT.png

An image is anomalous when its mask has a defective pixel; good images have a mask as well.
"""

from pathlib import Path

from inspection.errors import DatasetError
from inspection.training.datasets.folders import pictures, stray
from inspection.training.datasets.pixels import read_levels
from inspection.training.datasets.sample import GOOD, Listing, Sample, Split

_CATEGORY, _PRODUCT, _KIND = "ksdd2", "metal surface", "defect"
_ENDING = "_GT"


class Ksdd2Layout:
    """One folder a split."""

    expected = "train/NNNNN.png with train/NNNNN_GT.png, and the same in test"

    def fits(self, path: Path) -> bool:
        """Say whether there are images directly in one of the splits' folders."""
        return any(pictures(path / split) for split in ("test", "train"))

    def load(self, path: Path, split: Split) -> Listing:
        """List a split; every mask is opened, since only its content says what the image is."""
        listing = Listing(samples=[], categories=[_CATEGORY], remarks=[])
        files = pictures(path / split)
        masks = {
            file.stem.removesuffix(_ENDING): file for file in files if file.stem.endswith(_ENDING)
        }
        without: list[Path] = []
        for image in files:
            if image.stem.endswith(_ENDING):
                continue
            mask = masks.pop(image.stem, None)
            if mask is None:
                without.append(image)
            is_anomalous = mask is not None and _is_defective(mask, listing.remarks)
            listing.samples.append(
                Sample(
                    image=image,
                    product=_PRODUCT,
                    category=_CATEGORY,
                    kind=_KIND if is_anomalous else GOOD,
                    is_anomalous=is_anomalous,
                    mask=mask if is_anomalous else None,
                )
            )
        listing.remarks.extend(stray(masks.values(), "Masks without an image"))
        what = f"Images without a {_ENDING} mask, counted as good"
        listing.remarks.extend(stray(without, what))
        return listing


def _is_defective(mask: Path, remarks: list[str]) -> bool:
    """Say whether a mask has a defective pixel.

    One that cannot be read counts as defective: whoever reads the mask is told then, while a wrong
    label would go unnoticed.
    """
    try:
        return bool(read_levels(mask).any())
    except DatasetError as error:
        remarks.append(f"{error} Its image counts as anomalous.")
        return True
