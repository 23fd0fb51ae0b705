"""Data sets by name: which layouts each may have, and what is odd about a folder of it."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from inspection.errors import DatasetError
from inspection.training.datasets import words
from inspection.training.datasets.dagm import DagmLayout
from inspection.training.datasets.folders import first_of, in_words, natural, stray
from inspection.training.datasets.ksdd2 import Ksdd2Layout
from inspection.training.datasets.lesions import LesionLayout
from inspection.training.datasets.mvtec import MvtecLayout
from inspection.training.datasets.pixels import read_image, read_mask
from inspection.training.datasets.real_iad import RealIadLayout
from inspection.training.datasets.sample import Dataset, Layout, Listing, Sample, Split
from inspection.training.datasets.scans import AnswerLayout, HeadCtLayout
from inspection.training.datasets.visa import VisaLayout
from inspection.training.datasets.words import Words

__all__ = [
    "DATASETS",
    "Dataset",
    "Sample",
    "good_images",
    "open_dataset",
    "read_image",
    "read_mask",
]


def _mvtec_like(product: str) -> MvtecLayout:
    """Return MVTec AD's layout, into which many projects bring sets that have another."""
    return MvtecLayout(words=Words(always=product))


_ISIC = "ISBI2016_ISIC_Part1_Test"

_LAYOUTS: Mapping[str, tuple[Layout, ...]] = {
    "mvtec-ad": (MvtecLayout(words=Words()),),
    "visa": (VisaLayout(), MvtecLayout(words=Words(special=words.VISA), inside="1cls")),
    "btad": (_mvtec_like("industrial product"),),
    "mpdd": (MvtecLayout(words=Words(special=words.MPDD)),),
    "ksdd2": (Ksdd2Layout(), _mvtec_like("metal surface")),
    "mvtec-ad-2": (
        MvtecLayout(
            words=Words(special=words.MVTEC_AD_2),
            test="test_public",
            masks="test_public/ground_truth",
        ),
    ),
    "real-iad": (RealIadLayout(), MvtecLayout(words=Words(special=words.REAL_IAD))),
    "dagm": (DagmLayout(), _mvtec_like("textured surface")),
    "dtd-synthetic": (MvtecLayout(words=Words(noun="texture")),),
    "clinicdb": (
        LesionLayout(category="clinicdb", product="colon", kind="polyp"),
        LesionLayout(
            category="clinicdb",
            product="colon",
            kind="polyp",
            images="Original",
            masks="Ground Truth",
        ),
        _mvtec_like("colon"),
    ),
    "colondb": (
        LesionLayout(category="colondb", product="colon", kind="polyp"),
        _mvtec_like("colon"),
    ),
    "kvasir": (
        LesionLayout(category="kvasir", product="colon", kind="polyp"),
        _mvtec_like("colon"),
    ),
    "isic": (
        LesionLayout(
            category="isic",
            product="skin",
            kind="lesion",
            images=f"{_ISIC}_Data",
            masks=f"{_ISIC}_GroundTruth",
            ending="_Segmentation",
        ),
        _mvtec_like("skin"),
    ),
    "tn3k": (
        LesionLayout(
            category="tn3k",
            product="thyroid",
            kind="nodule",
            images="test-image",
            masks="test-mask",
        ),
        _mvtec_like("thyroid"),
    ),
    "br35h": (AnswerLayout(category="br35h", product="brain"), _mvtec_like("brain")),
    "brainmri": (AnswerLayout(category="brainmri", product="brain"), _mvtec_like("brain")),
    "headct": (HeadCtLayout(), _mvtec_like("head")),
    "folder": (MvtecLayout(words=Words()),),
}

#: Names of the known data sets; `folder` is any in the layout of MVTec AD.
DATASETS: tuple[str, ...] = tuple(_LAYOUTS)

_SEPARATORS = re.compile(r"[\s_-]+")


def open_dataset(name: str, path: Path, *, split: Split = "test") -> Dataset:
    """List one split of the data set in a folder, without opening its images.

    Upper and lower case, `-`, `_` and blanks in the name do not matter. `test` gives good and
    defective images, for evaluation and, as auxiliary set, for training on; `train` gives the
    good images that the set has besides.

    Raises:
        DatasetError: the name is unknown, the folder has another layout, the set has no such
            split, or a class has no image.
    """
    known = _known(name)
    listing = _layout(known, path).load(path, split)
    samples = _sorted(listing.samples)
    remarks = list(listing.remarks)
    if split == "train":
        samples = [sample for sample in samples if not sample.is_anomalous]
    _refuse_empty(listing, samples, f"{known} in {path}", split)
    has_masks = any(sample.mask is not None for sample in samples)
    if split == "test":
        remarks += _remarks(listing.categories, samples, has_masks=has_masks)
    return Dataset(
        name=known,
        path=path,
        split=split,
        samples=tuple(samples),
        has_masks=has_masks,
        remarks=tuple(remarks),
    )


def good_images(dataset: Dataset) -> dict[str, tuple[Sample, ...]]:
    """Return the good training images beside a test split, by category and sorted by name.

    A category that has none is left out.

    Raises:
        DatasetError: the set is not split.
    """
    listing = _layout(dataset.name, dataset.path).load(dataset.path, "train")
    samples = [sample for sample in _sorted(listing.samples) if not sample.is_anomalous]
    return {category: tuple(group) for category, group in groupby(samples, attrgetter("category"))}


def _layout(known: str, path: Path) -> Layout:
    """Return the layout that a folder has.

    Raises:
        DatasetError: it has none of the set's.
    """
    layouts = _LAYOUTS[known]
    layout = next((each for each in layouts if each.fits(path)), None)
    if layout is None:
        # The first layout is the set's own.
        expected = ", or else ".join(dict.fromkeys(each.expected for each in layouts))
        message = f"{path} is not laid out as {known}: expected {expected}; found {in_words(path)}."
        raise DatasetError(message)
    return layout


def _known(name: str) -> str:
    """Return the name as it is spelt here."""
    wanted = _SEPARATORS.sub("", name).lower()
    for known in _LAYOUTS:
        if _SEPARATORS.sub("", known) == wanted:
            return known
    message = f"There is no data set {name!r}; choose one of: {', '.join(DATASETS)}."
    raise DatasetError(message)


def _sorted(samples: Sequence[Sample]) -> list[Sample]:
    """Return samples by category, good ones before the kinds of defects, then by file name."""
    names = {sample.category for sample in samples}
    ranks = {name: rank for rank, name in enumerate(sorted(names, key=lambda n: (natural(n), n)))}

    def place(sample: Sample) -> tuple[int, bool, str, str]:
        return ranks[sample.category], sample.is_anomalous, sample.kind, sample.image.name

    return sorted(samples, key=place)


def _refuse_empty(listing: Listing, samples: Sequence[Sample], where: str, split: Split) -> None:
    """Refuse a set of which a class has no image.

    Raises:
        DatasetError: there is such a class, or no class at all.
    """
    filled = {sample.category for sample in samples}
    empty = [name for name in listing.categories if name not in filled]
    if not empty and filled:
        return
    what = "good images" if split == "train" else "images"
    classes = f" of {first_of(empty)}" if empty else ""
    message = f"There are no {what}{classes} in the {split} split of {where}."
    raise DatasetError(message)


def _remarks(categories: Sequence[str], samples: Sequence[Sample], *, has_masks: bool) -> list[str]:
    """Return what the labels of a test split do not allow."""
    normal = {sample.category for sample in samples if not sample.is_anomalous}
    anomalous = {sample.category for sample in samples if sample.is_anomalous}
    remarks = []
    if without := [name for name in categories if name not in normal]:
        remarks.append(f"No good images of {first_of(without)}: image AUROC is undefined.")
    if without := [name for name in categories if name not in anomalous]:
        remarks.append(f"No anomalous images of {first_of(without)}: no figure is defined.")
    if not has_masks:
        remarks.append("There are no masks: figures of pixels are undefined.")
        return remarks
    bare = [each.image for each in samples if each.is_anomalous and each.mask is None]
    return remarks + stray(
        bare, "Anomalous images without a mask, and so without figures of pixels"
    )
