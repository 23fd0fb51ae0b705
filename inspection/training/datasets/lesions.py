"""Medical sets with a mask for every image, all of which show a lesion.

CVC-ClinicDB, CVC-ColonDB, Kvasir-SEG    images/NAME, masks/NAME
CVC-ClinicDB as first published          Original/1.tif, Ground Truth/1.tif
ISIC 2016                                ISBI2016_ISIC_Part1_Test_Data/ISIC_N.jpg and
                                         …_Test_GroundTruth/ISIC_N_Segmentation.png
TN3K                                     test-image/0000.jpg, test-mask/0000.jpg
"""

from dataclasses import dataclass
from pathlib import Path

from inspection.errors import DatasetError
from inspection.training.datasets.folders import mask_files, pictures, stray
from inspection.training.datasets.sample import Listing, Sample, Split


@dataclass(frozen=True, kw_only=True)
class LesionLayout:
    """A folder of images and a folder of masks."""

    #: Name of the only class.
    category: str
    #: What is seen, lesion or not.
    product: str
    #: What every image shows.
    kind: str
    images: str = "images"
    masks: str = "masks"
    #: What a mask's name has more than its image's.
    ending: str = ""

    @property
    def expected(self) -> str:
        """The layout in words."""
        return f"{self.images}/NAME and {self.masks}/NAME{self.ending}"

    def fits(self, path: Path) -> bool:
        """Say whether both folders are there."""
        return (path / self.images).is_dir() and (path / self.masks).is_dir()

    def load(self, path: Path, split: Split) -> Listing:
        """List all images of the test split.

        Raises:
            DatasetError: the train split is asked for.
        """
        if split == "train":
            message = f"{self.category} has no good images to train on; ask for its test split."
            raise DatasetError(message)
        listing = Listing(samples=[], categories=[self.category], remarks=[])
        files = mask_files(path / self.masks, ending=self.ending)
        for image in pictures(path / self.images):
            listing.samples.append(
                Sample(
                    image=image,
                    product=self.product,
                    category=self.category,
                    kind=self.kind,
                    is_anomalous=True,
                    mask=files.pop(image.stem, None),
                )
            )
        listing.remarks.extend(stray(files.values(), "Masks without an image"))
        return listing
