"""The field's data sets on disk as one list of labelled images each.

The split that is named is the set's own. `test` holds good and defective images with masks where
the set has them: it is what is evaluated on, and, as is usual in this field, also what adapters
for *other* sets are trained on. `train` holds good images only, where the layout has any.

What loaders that were published with the methods do differently, and what it would change:

* KSDD2 counts an image as anomalous because a `_GT.png` lies beside it; in the official download
  one lies beside every image. Here the mask's content decides.
* Masks are resized first and compared with zero afterwards, which makes defects grow, or with one
  half, which makes thin defects disappear. Here a mask is made binary at its own size; see
  `inspection.training.datasets.pixels`.
* The product's name in the prompts is cut out of the path: `Data` for VisA's raw layout, `01` for
  BTAD and the medical sets, and the folder above the set for KSDD2 and Kvasir-SEG. Here every set
  gives a name in plain words; see `inspection.training.datasets.words`.
* HeadCT and Kvasir-SEG are cut at random, and figures are for the cut; here all images count.
* Br35H, BrainMRI and HeadCT get masks that another model has drawn, or masks that are all
  defective. Neither is ground truth: these sets have labels of images only.
* VisA needs a list that does not come with it. Here its own `split_csv/1cls.csv` is read.
* Images and masks are paired by their place in two sorted lists, so that one missing file shifts
  all that follow. Here they are paired by name.
"""

from inspection.training.datasets.dataset import DATASETS, good_images, open_dataset
from inspection.training.datasets.pixels import read_image, read_mask
from inspection.training.datasets.sample import Dataset, Sample, Split

__all__ = [
    "DATASETS",
    "Dataset",
    "Sample",
    "Split",
    "good_images",
    "open_dataset",
    "read_image",
    "read_mask",
]
