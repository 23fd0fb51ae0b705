"""Parts to compare references on: the good ones first, then those that are judged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inspection.capture.rendering import Conveyor, RenderedPart
from inspection.training.datasets import Sample, open_dataset, read_image, read_mask

#: Edge of the pictures, and of the maps and masks that pixels are compared at.
SIZE_PX, COMPARED_SIZE_PX = 256, 64
REFERENCES_COUNT, JUDGED_COUNT = 40, 60


def rendered_parts(product: str) -> Callable[[], list[RenderedPart]]:
    conveyor = Conveyor(
        product=product,
        seed=900,
        size_px=SIZE_PX,
        defect_rate=0.5,
        good_parts_count=REFERENCES_COUNT,
    )
    return lambda: [conveyor.part(index) for index in range(REFERENCES_COUNT + JUDGED_COUNT)]


def photographs(real_mini: Path, category: str) -> Callable[[], list[RenderedPart]]:
    def parts() -> list[RenderedPart]:
        rng = np.random.default_rng(3)
        chosen = [
            *_some(real_mini, category, "train", rng, (REFERENCES_COUNT, 0)),
            *_some(real_mini, category, "test", rng, (JUDGED_COUNT - 20, 20)),
        ]
        return [_photograph(sample, category) for sample in chosen]

    return parts


def _some(
    real_mini: Path, category: str, split: str, rng: np.random.Generator, counts: tuple[int, int]
) -> list[Sample]:
    dataset = open_dataset("folder", real_mini, split=split)
    found = [sample for sample in dataset.samples if sample.category == category]
    chosen = []
    for is_anomalous, count in zip((False, True), counts, strict=True):
        kind = [sample for sample in found if sample.is_anomalous == is_anomalous]
        chosen += [kind[position] for position in rng.permutation(len(kind))[:count]]
    return chosen


def _photograph(sample: Sample, category: str) -> RenderedPart:
    image = read_image(sample)
    blank = np.zeros(image.shape[:2], dtype=np.bool_)
    mask = read_mask(sample, image.shape[:2]) if sample.mask is not None else blank
    defect = "defect" if sample.is_anomalous else None
    return RenderedPart(image=image, mask=mask, product=category, defect=defect)


def coarse(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    covered = functional.adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), COMPARED_SIZE_PX)
    return (covered[0] >= 0.2).numpy()
