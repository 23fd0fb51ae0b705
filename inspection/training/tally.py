"""The figures of one category, counted batch by batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inspection.errors import CheckpointError
from inspection.training.bootstrap import PixelRounds, image_figures, image_rounds, interval
from inspection.training.gallery import Gallery
from inspection.training.metrics import Interval
from inspection.training.pixels import PixelCounts, keyed
from inspection.training.reading import Example

#: Figures in the order they are shown: key and heading.
FIGURES = {
    "i_auroc": "I-AUROC",
    "i_ap": "I-AP",
    "i_f1max": "I-F1max",
    "p_auroc": "P-AUROC",
    "p_ap": "P-AP",
    "p_f1max": "P-F1max",
    "aupro_30": "AUPRO 0.30",
    "aupro_05": "AUPRO 0.05",
}
IMAGE_FIGURES = tuple(name for name in FIGURES if name.startswith("i_"))
PIXEL_FIGURES = tuple(name for name in FIGURES if name not in IMAGE_FIGURES)


@dataclass(frozen=True, kw_only=True)
class CategoryEvaluation:
    """What a detector reaches on one category."""

    category: str
    normal_count: int
    anomalous_count: int
    #: Images that could not be read and are in no figure.
    unreadable_count: int
    #: Every figure that is defined, with its interval.
    figures: Mapping[str, Interval]
    #: Every other figure, with the reason why it is undefined.
    undefined: Mapping[str, str]
    #: Anomalous images whose mask shows no defect.
    blank_count: int
    #: Bootstrap rounds `(R,)` of every defined figure.
    rounds: Mapping[str, NDArray[np.float64]] = field(repr=False)


class Tally:
    """Counts the scores and maps of one category; of an image only its score is kept."""

    def __init__(self, *, rounds_count: int, seed: Sequence[int], gallery: Gallery | None) -> None:
        self._rounds_count, self._seed = rounds_count, seed
        self._gallery = gallery
        self._scores: list[float] = []
        self._labels: list[int] = []
        self._masked_count = self._blank_count = 0
        self._pixels = PixelCounts()
        self._pixel_rounds = PixelRounds(rounds_count=rounds_count, seed=seed)

    def add(
        self, examples: Sequence[Example], scores: Sequence[float], maps: NDArray[np.float32]
    ) -> None:
        """Count a batch: anomaly scores, and maps ``(B, H, W)`` of the size of the masks.

        Raises:
            CheckpointError: a score is no number.
        """
        for example, score, drawn in zip(examples, scores, maps, strict=True):
            if not math.isfinite(score):
                raise CheckpointError(f"the detector's score of {example.sample.image} is {score}")
            self._scores.append(score)
            self._labels.append(int(example.sample.is_anomalous))
            if self._gallery is not None:
                self._gallery.offer(example, score, drawn)
        self._add_pixels(examples, maps)

    def result(
        self, category: str, *, unreadable_count: int, has_masks: bool
    ) -> CategoryEvaluation:
        """Return the figures of everything that was counted."""
        undefined = self._undefined(has_masks=has_masks)
        values, rounds = self._image_figures(undefined)
        pixel_values, pixel_rounds = self._pixel_figures(undefined)
        values |= pixel_values
        rounds |= pixel_rounds
        return CategoryEvaluation(
            category=category,
            normal_count=self._labels.count(0),
            anomalous_count=self._labels.count(1),
            unreadable_count=unreadable_count,
            figures={name: interval(value, rounds[name]) for name, value in values.items()},
            undefined=undefined,
            blank_count=self._blank_count,
            rounds=rounds,
        )

    def _add_pixels(self, examples: Sequence[Example], maps: NDArray[np.float32]) -> None:
        masks = [example.mask for example in examples]
        masked = [index for index, mask in enumerate(masks) if mask is not None]
        if not masked:
            return
        batch = keyed(maps[masked], np.stack([mask for mask in masks if mask is not None]))
        self._pixels.add(batch)
        self._pixel_rounds.add(batch)
        self._masked_count += len(masked)
        is_anomalous = np.array([examples[index].sample.is_anomalous for index in masked])
        self._blank_count += int((is_anomalous & (batch.regions == 0)).sum())

    def _undefined(self, *, has_masks: bool) -> dict[str, str]:
        image_reason = pixel_reason = None
        if 0 not in self._labels:
            image_reason = "no normal images"
        elif 1 not in self._labels:
            image_reason = "no anomalous images"
        if not has_masks:
            pixel_reason = "the data set has no masks"
        elif self._masked_count == 0:
            pixel_reason = "no image with a mask"
        else:
            pixel_reason = self._pixels.one_sided()
        reasons = dict.fromkeys(IMAGE_FIGURES, image_reason)
        reasons |= dict.fromkeys(PIXEL_FIGURES, pixel_reason)
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def _image_figures(
        self, undefined: Mapping[str, str]
    ) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        if IMAGE_FIGURES[0] in undefined:
            return {}, {}
        labels, scores = np.asarray(self._labels), np.asarray(self._scores)
        values = {name: float(value) for name, value in image_figures(labels, scores).items()}
        return values, image_rounds(
            labels, scores, rounds_count=self._rounds_count, seed=self._seed
        )

    def _pixel_figures(
        self, undefined: Mapping[str, str]
    ) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        if PIXEL_FIGURES[0] in undefined:
            return {}, {}
        exact = self._pixels.curve()
        values = {name: float(value) for name, value in exact.figures().items()}
        return values, self._pixel_rounds.figures(exact)
