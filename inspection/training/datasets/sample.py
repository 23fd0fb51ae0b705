"""A labelled image of a data set, and the set as a list of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

#: The set's own split: `test` has good and defective images, `train` good ones only.
Split = Literal["train", "test"]

#: Kind of a sample that has no defect.
GOOD = "good"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One image with its label."""

    #: The image's file.
    image: Path
    #: What is on it, in plain words for the prompts: `metal nut`.
    product: str
    #: The set's own name of the class, by which figures are reported: `metal_nut`, `01`.
    category: str
    #: `good`, or the name of the defect's folder.
    kind: str
    is_anomalous: bool
    #: The mask's file; none for good images, and where the set has no mask.
    mask: Path | None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One split of a data set."""

    #: One of the known names: `visa`.
    name: str
    path: Path
    split: Split
    #: By category, good images before the kinds of defects, then by file name; the same on every
    #: file system.
    samples: tuple[Sample, ...]
    #: Whether any defective image has a mask, so that figures of pixels can be computed.
    has_masks: bool
    #: Sentences about what is odd but usable.
    remarks: tuple[str, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes, each once, in the order of the samples."""
        return tuple(dict.fromkeys(sample.category for sample in self.samples))


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a layout found in a folder, before anything is concluded from it."""

    #: In any order that is the same on every file system.
    samples: list[Sample]
    #: Every class that has a place in the folder, whether or not it has images.
    categories: list[str]
    #: Sentences about what is odd but usable.
    remarks: list[str]


class Layout(Protocol):
    """One way in which a data set's files are laid out."""

    @property
    def expected(self) -> str:
        """The layout in words, as a message to somebody whose folder differs."""
        ...

    def fits(self, path: Path) -> bool:
        """Say whether a folder looks like this layout; must be quick."""
        ...

    def load(self, path: Path, split: Split) -> Listing:
        """List the samples of a folder that fits.

        Raises:
            DatasetError: the layout has no such split, or a list in it cannot be read.
        """
        ...
