"""What a detector reaches on a data set, in memory that does not grow with the number of images.

Scores and maps are compared as the detector gives them. Published code stretches the maps of
every category to [0, 1] first; that changes no figure here, for all depend on the order of scores
only, but it needs every image before the first can be judged, and hides that a line has one
threshold for all its parts.
"""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.errors import DatasetError
from inspection.model.detector import Detector, Scored
from inspection.model.head import draw_map
from inspection.training.bootstrap import ROUNDS_COUNT, interval
from inspection.training.datasets import Dataset, Sample
from inspection.training.gallery import Gallery, file_name
from inspection.training.metrics import Interval
from inspection.training.reading import Example, Reading, Unreadable, read_ahead
from inspection.training.tally import FIGURES, CategoryEvaluation, Tally

#: Largest logit of a stored grid; one that overflowed would spoil its neighbours.
_LARGEST_LOGIT = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How a data set is evaluated."""

    #: Images that are scored at once.
    batch_count: int = 8
    #: Threads that read and decode.
    threads_count: int = 2
    #: Device that anomaly maps are drawn on: the detector's.
    device: str = "cpu"
    #: True: an unreadable file ends the evaluation.
    is_strict: bool = False
    #: Folder for pictures of the best and worst images; None for no pictures.
    pictures: Path | None = None
    #: Pictures of every category, each for best and worst normal and anomalous images.
    pictures_count: int = 3
    #: Rounds of the bootstrap.
    rounds_count: int = ROUNDS_COUNT
    #: Of the order of images and of the bootstrap.
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of a figure over the categories in which it is defined."""

    #: With the interval of the mean.
    figure: Interval
    #: Categories it is taken over.
    categories_count: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a detector reaches on a data set."""

    dataset: str
    path: Path
    split: str
    #: Content hash of the checkpoint.
    checkpoint_hash: str
    categories: tuple[CategoryEvaluation, ...]
    #: Every figure that is defined in some category.
    mean: dict[str, Mean]
    unreadable: tuple[Unreadable, ...]
    #: What a reader of the figures should know.
    remarks: tuple[str, ...]
    #: Images that were scored.
    images_count: int
    #: Time from the first image to the last figure.
    seconds: float
    #: Time spent on drawing maps, counting pixels and making figures.
    metrics_s: float


def evaluate(
    detector: Detector,
    dataset: Dataset,
    options: EvaluationOptions,
    *,
    on_images: Callable[[int], None] = lambda _count: None,
    clock_s: Callable[[], float] = time.monotonic,
) -> Evaluation:
    """Score the images of a data set and compare scores and maps with its labels and masks.

    1. Images and masks are read a little ahead, those of a category in random order.
    2. The detector scores them in batches.
    3. Their maps are drawn at the detector's own image size, and counted while the next batch
       is scored.

    Args:
        detector: what is evaluated.
        dataset: images with labels, and masks if it has them.
        options: how.
        on_images: is called with the number of further images that are done, from any thread.
        clock_s: measures the time that was spent.

    Raises:
        ConfigurationError: the pictures cannot be written.
        DatasetError: a file cannot be read, and `is_strict`; or none can.
        CheckpointError: the detector answers with something that is no number.
    """
    return _Evaluator(detector, dataset, options, on_images, clock_s).run()


@dataclass
class _Evaluator:
    """One evaluation while it lasts."""

    detector: Detector
    dataset: Dataset
    options: EvaluationOptions
    on_images: Callable[[int], None]
    clock_s: Callable[[], float]
    unreadable: list[Unreadable] = field(default_factory=list)
    metrics_s: float = 0.0

    def run(self) -> Evaluation:
        begun_s = self.clock_s()
        categories = tuple(
            self._category(name, list(group), number)
            for number, (name, group) in enumerate(
                groupby(self.dataset.samples, attrgetter("category"))
            )
        )
        images_count = sum(each.normal_count + each.anomalous_count for each in categories)
        if images_count == 0:
            raise DatasetError(
                f"no image of {self.dataset.path} can be read; the first: "
                f"{self.unreadable[0].reason}"
            )
        return Evaluation(
            dataset=self.dataset.name,
            path=self.dataset.path,
            split=self.dataset.split,
            checkpoint_hash=self.detector.checkpoint_hash,
            categories=categories,
            mean=means(categories),
            unreadable=tuple(self.unreadable),
            remarks=(*self.dataset.remarks, *blank_masks(categories)),
            images_count=images_count,
            seconds=self.clock_s() - begun_s,
            metrics_s=self.metrics_s,
        )

    def _category(self, name: str, samples: list[Sample], number: int) -> CategoryEvaluation:
        seed = (self.options.seed, number)
        pictures = self.options.pictures
        gallery = None if pictures is None else Gallery(each_count=self.options.pictures_count)
        tally = Tally(rounds_count=self.options.rounds_count, seed=seed, gallery=gallery)
        unreadable_before = len(self.unreadable)
        np.random.default_rng(seed).shuffle(samples)
        with closing(self._readable(samples)) as examples:
            while batch := list(islice(examples, self.options.batch_count)):
                recipes = [Recipe(product=example.sample.product) for example in batch]
                scored = self.detector.score([example.image for example in batch], recipes)
                # In this thread: beside a detector on the CPU counting would slow down both.
                self._count(tally, batch, scored)
        begun_s = self.clock_s()
        result = tally.result(
            name,
            unreadable_count=len(self.unreadable) - unreadable_before,
            has_masks=self.dataset.has_masks,
        )
        self.metrics_s += self.clock_s() - begun_s
        if gallery is not None and pictures is not None:
            gallery.write(pictures / file_name(self.dataset.name) / file_name(name))
        return result

    def _readable(self, samples: Sequence[Sample]) -> Generator[Example]:
        reading = Reading(
            size_px=self.detector.image_size_px,
            has_masks=self.dataset.has_masks,
            threads_count=self.options.threads_count,
            ahead_count=self.options.batch_count + self.options.threads_count,
        )
        return readable(samples, reading, self._refuse)

    def _refuse(self, unreadable: Unreadable) -> None:
        if self.options.is_strict:
            raise DatasetError(unreadable.reason)
        self.unreadable.append(unreadable)
        self.on_images(1)

    def _count(self, tally: Tally, batch: Sequence[Example], scored: Sequence[Scored]) -> None:
        begun_s = self.clock_s()
        maps = drawn_maps(scored, self.detector.image_size_px, self.options.device)
        tally.add(batch, [each.score for each in scored], maps)
        self.metrics_s += self.clock_s() - begun_s
        self.on_images(len(batch))


def readable(
    samples: Iterable[Sample], reading: Reading, refuse: Callable[[Unreadable], None]
) -> Generator[Example]:
    """Yield the samples that can be read, in their order, and hand the others to `refuse`."""
    with closing(read_ahead(samples, reading)) as reads:
        for read in reads:
            if isinstance(read, Example):
                yield read
            else:
                refuse(read)


def drawn_maps(scored: Sequence[Scored], size_px: int, device: str) -> NDArray[np.float32]:
    """Return the anomaly maps ``(B, size, size)`` in [0, 1] of pictures with grids of one shape."""
    grids = np.stack([each.grid for each in scored]).astype(np.float32)
    grids = np.clip(grids, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    with torch.inference_mode():
        on_device = torch.from_numpy(grids).to(device)
        drawn: NDArray[np.float32] = draw_map(on_device, (size_px, size_px)).cpu().numpy()
    return drawn


def means(categories: Sequence[CategoryEvaluation]) -> dict[str, Mean]:
    """Return the unweighted mean of every figure over the categories in which it is defined.

    The interval comes from the means of the rounds: categories are drawn independently.
    """
    found = {}
    for name in FIGURES:
        defined = [each for each in categories if name in each.figures]
        if defined:
            value = float(np.mean([each.figures[name].value for each in defined]))
            rounds = _mean_rounds([each.rounds[name] for each in defined])
            found[name] = Mean(figure=interval(value, rounds), categories_count=len(defined))
    return found


def _mean_rounds(rounds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the means ``(R,)`` of the rounds; where a category is undefined, another round's."""
    filled = []
    for each in rounds:
        defined = each[np.isfinite(each)]
        filled.append(np.resize(defined, each.shape) if len(defined) else each)
    means_of_rounds: NDArray[np.float64] = np.mean(filled, axis=0)
    return means_of_rounds


def blank_masks(categories: Sequence[CategoryEvaluation]) -> list[str]:
    """Return a remark on every category that has masks without a defect."""
    return [
        f"{each.category}: the masks of {each.blank_count} anomalous images show no defect; all "
        "their pixels count as good."
        for each in categories
        if each.blank_count
    ]
