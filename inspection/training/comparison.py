"""What a detector reaches beside more and more references, and what two baselines reach there.

1. The good training images of a category are drawn in a random order that follows from the seed
   and the category's name alone; more references are the same ones and further ones.
2. A reference is built for every number of images that is asked for, and a baseline of all.
3. Every test image goes through the backbone once, and is judged beside each reference in turn and
   by each baseline; the figures are counted as in any evaluation.
"""

import time
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.errors import DatasetError
from inspection.model.detector import Detector
from inspection.model.reference import Reference, Survey, build_reference
from inspection.training.baseline import (
    Baseline,
    DarknessEdge,
    PatchMoments,
    PatchPca,
    bounded,
)
from inspection.training.datasets import Dataset, Sample, good_images
from inspection.training.evaluation import EvaluationOptions, blank_masks, drawn_maps, readable
from inspection.training.gallery import Gallery, file_name
from inspection.training.reading import Example, Reading, Unreadable
from inspection.training.tally import FIGURES, CategoryEvaluation, Tally

#: How many good images a reference is made of; `all` are those that the category has.
Count = int | Literal["all"]

#: Names of the baselines, in the order they are shown.
BASELINES = (DarknessEdge.name, PatchPca.name)
_NO_IMAGES = "no good training images"
_NO_ADAPTERS = "the checkpoint has no adapters: without references it scores nothing"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a detector reaches on a category with one number of references."""

    #: As it was asked for.
    references: Count
    #: Good images that the reference is made of; fewer than asked for where there are no more.
    images_count: int
    #: All of the category's images were asked for, or more.
    is_all: bool
    #: Content hash of the reference; None without one.
    reference_hash: str | None
    evaluation: CategoryEvaluation


@dataclass(frozen=True, kw_only=True)
class CategoryComparison:
    """What a detector and the baselines reach on one category."""

    category: str
    #: In the order that was asked for.
    rows: tuple[Row, ...]
    #: By name.
    baselines: Mapping[str, CategoryEvaluation]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a detector and the baselines reach on a data set."""

    dataset: str
    path: Path
    #: Content hash of the checkpoint.
    checkpoint_hash: str
    categories: tuple[CategoryComparison, ...]
    unreadable: tuple[Unreadable, ...]
    #: What a reader of the figures should know.
    remarks: tuple[str, ...]
    #: Test images that were scored, and good images that references were made of.
    images_count: int
    good_count: int
    #: Time from the first image to the last figure.
    seconds: float


def compare(
    detector: Detector,
    dataset: Dataset,
    counts: Sequence[Count],
    options: EvaluationOptions,
    *,
    on_images: Callable[[int], None] = lambda _count: None,
    clock_s: Callable[[], float] = time.monotonic,
) -> Comparison:
    """Measure a detector with each number of references on the test split of a data set.

    Args:
        detector: what is measured.
        dataset: a test split; its good training images are found in the same folder.
        counts: numbers of references; those that a category does not have stand for all it has.
        options: how; the seed also draws the references. Pictures are of the largest number.
        on_images: is called with the number of further images that are done.
        clock_s: measures the time that was spent.

    Raises:
        ConfigurationError: the pictures cannot be written.
        DatasetError: the set has no training split; a file cannot be read, and `is_strict`; or no
            test image can.
        CheckpointError: the detector answers with something that is no number.
    """
    return _Comparer(detector, dataset, tuple(counts), options, on_images, clock_s).run()


def images_count(dataset: Dataset) -> int:
    """Return how many images a comparison on a test split looks at, good training ones too.

    Raises:
        DatasetError: the set has no training split.
    """
    good = good_images(dataset)
    return len(dataset.samples) + sum(len(good.get(name, ())) for name in dataset.categories)


@dataclass(frozen=True, kw_only=True)
class _Learnt:
    """What the good images of a category come to."""

    #: By the number of images they are made of; none for 0.
    references: dict[int, Reference]
    baselines: tuple[Baseline, ...]
    images_count: int


@dataclass
class _Comparer:
    """One comparison while it lasts."""

    detector: Detector
    dataset: Dataset
    counts: tuple[Count, ...]
    options: EvaluationOptions
    on_images: Callable[[int], None]
    clock_s: Callable[[], float]
    unreadable: list[Unreadable] = field(default_factory=list)

    def run(self) -> Comparison:
        begun_s = self.clock_s()
        good = good_images(self.dataset)
        learnt_count, categories = 0, []
        for name, group in groupby(self.dataset.samples, attrgetter("category")):
            learnt = self._learnt(name, good.get(name, ()))
            learnt_count += learnt.images_count
            categories.append(self._category(name, list(group), learnt))
        found = [each.baselines[BASELINES[0]] for each in categories]
        images_count = sum(each.normal_count + each.anomalous_count for each in found)
        if images_count == 0:
            raise DatasetError(
                f"no image of {self.dataset.path} can be read; the first: "
                f"{self.unreadable[0].reason}"
            )
        return Comparison(
            dataset=self.dataset.name,
            path=self.dataset.path,
            checkpoint_hash=self.detector.checkpoint_hash,
            categories=tuple(categories),
            unreadable=tuple(self.unreadable),
            remarks=(*self.dataset.remarks, *blank_masks(found)),
            images_count=images_count,
            good_count=learnt_count,
            seconds=self.clock_s() - begun_s,
        )

    def _learnt(self, name: str, samples: Sequence[Sample]) -> _Learnt:
        """Look at the good images of a category, in the order they are drawn."""
        order = np.random.default_rng(self._seed(name)).permutation(len(samples))
        sizes = sorted({_size(count, len(samples)) for count in self.counts} - {0})
        surveys: dict[int, list[Survey]] = {size: [] for size in sizes}
        moments = PatchMoments()
        images_count = 0
        with closing(self._batches([samples[place] for place in order])) as batches:
            for batch in batches:
                images_count += len(batch)
                # A small reference keeps more of each image than a large one: every one is built
                # as it would be alone.
                for size, taken in surveys.items():
                    images, recipes = _asked(batch[: size - len(taken)])
                    taken.extend(self.detector.survey(images, recipes, of_count=size))
                for example in batch:
                    moments.add(example.image)
                self.on_images(len(batch))
        pca = moments.fitted()
        return _Learnt(
            references={
                len(taken): build_reference(self.detector.checkpoint_hash, taken)
                for taken in surveys.values()
                if taken
            },
            baselines=(DarknessEdge(),) if pca is None else (DarknessEdge(), pca),
            images_count=images_count,
        )

    def _category(self, name: str, samples: list[Sample], learnt: _Learnt) -> CategoryComparison:
        seed, pictures = self._seed(name), self.options.pictures
        np.random.default_rng(seed).shuffle(samples)
        gallery = None if pictures is None else Gallery(each_count=self.options.pictures_count)
        sizes = self._sizes(learnt)
        keys: list[int | str] = [*sizes, *(each.name for each in learnt.baselines)]
        tallies = {
            key: Tally(
                rounds_count=self.options.rounds_count,
                seed=seed,
                gallery=gallery if key == max(sizes, default=0) else None,
            )
            for key in keys
        }
        unreadable_before = len(self.unreadable)
        with closing(self._batches(samples)) as batches:
            for batch in batches:
                self._judge(batch, learnt, tallies)
                self.on_images(len(batch))
        if gallery is not None and pictures is not None:
            gallery.write(pictures / file_name(self.dataset.name) / file_name(name))
        unreadable_count = len(self.unreadable) - unreadable_before
        found = {
            key: tally.result(
                name, unreadable_count=unreadable_count, has_masks=self.dataset.has_masks
            )
            for key, tally in tallies.items()
        }
        return CategoryComparison(
            category=name,
            rows=tuple(_row(count, learnt, found) for count in self.counts),
            baselines={each: _of(each, found, _NO_IMAGES) for each in BASELINES},
        )

    def _sizes(self, learnt: _Learnt) -> list[int]:
        """Return the numbers of references that images can be judged beside."""
        is_zero_shot = 0 in self.counts and not self.detector.needs_reference
        return sorted({*learnt.references, *([0] if is_zero_shot else [])})

    def _judge(
        self, batch: Sequence[Example], learnt: _Learnt, tallies: Mapping[int | str, Tally]
    ) -> None:
        """Count what the detector beside each reference, and each baseline, say of images."""
        look = self.detector.look(*_asked(batch))
        for size in self._sizes(learnt):
            scored = self.detector.judge(look, [learnt.references.get(size)] * len(batch))
            maps = drawn_maps(scored, self.detector.image_size_px, self.options.device)
            tallies[size].add(batch, [each.score for each in scored], maps)
        for rule in learnt.baselines:
            maps = bounded(np.stack([rule.drawn(example.image) for example in batch]))
            tallies[rule.name].add(batch, maps.max(axis=(1, 2)).tolist(), maps)

    def _batches(self, samples: Sequence[Sample]) -> Generator[list[Example]]:
        """Yield what can be read; the rest is noted, or ends everything."""
        reading = Reading(
            size_px=self.detector.image_size_px,
            has_masks=self.dataset.has_masks,
            threads_count=self.options.threads_count,
            ahead_count=self.options.batch_count + self.options.threads_count,
        )
        with closing(readable(samples, reading, self._refuse)) as examples:
            while batch := list(islice(examples, self.options.batch_count)):
                yield batch

    def _refuse(self, unreadable: Unreadable) -> None:
        if self.options.is_strict:
            raise DatasetError(unreadable.reason)
        self.unreadable.append(unreadable)
        self.on_images(1)

    def _seed(self, name: str) -> tuple[int, int]:
        """Return the seed of a category, whichever others are measured beside it."""
        return self.options.seed, zlib.crc32(name.encode())


def _asked(batch: Sequence[Example]) -> tuple[list[NDArray[np.uint8]], list[Recipe]]:
    """Return what a detector is asked about."""
    recipes = [Recipe(product=example.sample.product) for example in batch]
    return [example.image for example in batch], recipes


def _size(count: Count, images_count: int) -> int:
    return images_count if count == "all" else min(count, images_count)


def _row(count: Count, learnt: _Learnt, found: Mapping[int | str, CategoryEvaluation]) -> Row:
    size = _size(count, learnt.images_count)
    reference = learnt.references.get(size)
    # Where there is no good image, more than none were asked for.
    key: Count = count if count == 0 or learnt.images_count == 0 else size
    return Row(
        references=count,
        images_count=size,
        is_all=count == "all" or count >= learnt.images_count,
        reference_hash=None if reference is None else reference.content_hash,
        evaluation=_of(key, found, _NO_ADAPTERS if count == 0 else _NO_IMAGES),
    )


def _of(
    key: int | str, found: Mapping[int | str, CategoryEvaluation], reason: str
) -> CategoryEvaluation:
    """Return what was found under a key, or figures that are undefined for a reason."""
    if key in found:
        return found[key]
    return replace(
        found[DarknessEdge.name],
        figures={},
        undefined=dict.fromkeys(FIGURES, reason),
        rounds={},
    )
