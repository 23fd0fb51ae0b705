"""How far figures would move if other images had been taken: seeded bootstrap rounds.

Image figures: every round draws as many good and as many anomalous images as there are, each kind
with replacement.

Pixel figures: pixels of one image hang together, so whole images are drawn. Over a stream every
image is given, in every round, a weight from the Poisson distribution of mean 1, which for many
images is the same as drawing with replacement (Hanley & MacGibbon 2006, "Creating non-parametric
bootstrap samples using Poisson frequencies"; Chamandy et al. 2012, "Estimating uncertainty for
massive data streams"). The rounds count in a few thousand bins, whose edges are learned from the
first images; the interval is moved by the small difference that these bins make to the figure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inspection.training import curve
from inspection.training.metrics import Interval
from inspection.training.pixels import KeyedMaps, Keys, PixelCounts, PixelCurve

#: Rounds, which bound the interval's own noise.
ROUNDS_COUNT = 200
#: Ends of a 95 % interval, as quantiles.
_ENDS = (0.025, 0.975)
#: Counts that are worked on at once, to bound memory.
_CHUNK_COUNT = 2_000_000

IMAGE_FIGURES: dict[str, Callable[[curve.Counts, curve.Counts], NDArray[np.float64]]] = {
    "i_auroc": curve.auroc,
    "i_ap": curve.average_precision,
    "i_f1max": curve.f1_max,
}


def interval(value: float, rounds: NDArray[np.float64]) -> Interval:
    """Return a figure with the interval that its rounds, `(R,)`, span; undefined rounds are out."""
    defined = rounds[np.isfinite(rounds)]
    low, high = np.quantile(defined, _ENDS) if len(defined) else (value, value)
    return Interval(value=value, low=float(low), high=float(high))


def image_figures(
    labels: NDArray[np.integer], scores: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """Return I-AUROC, I-AP and I-F1max of image scores; undefined ones are NaN."""
    good, defective = _per_score(labels, scores)
    return {name: figure(good, defective) for name, figure in IMAGE_FIGURES.items()}


def image_rounds(
    labels: NDArray[np.integer],
    scores: NDArray[np.floating],
    *,
    rounds_count: int = ROUNDS_COUNT,
    seed: int | Sequence[int] = 0,
) -> dict[str, NDArray[np.float64]]:
    """Return the image figures of every round, `(R,)` each; labels are 0 or 1."""
    rng = np.random.default_rng(seed)
    good, defective = _per_score(labels, scores)
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in IMAGE_FIGURES}
    chunk = max(_CHUNK_COUNT // max(len(good), 1), 1)
    for first in range(0, rounds_count, chunk):
        count = min(chunk, rounds_count - first)
        drawn = [_drawn(rng, each, count) for each in (good, defective)]
        for name, figure in IMAGE_FIGURES.items():
            found[name].append(figure(*drawn))
    return {name: np.concatenate(values) for name, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class _Bins:
    """Which of a few bins a key belongs to; the highest scores are in bin 0."""

    #: The lowest key of the table; those below it are in its bin.
    lowest: int
    #: Bin of every key from the lowest; those above its end are in the last one's.
    table: NDArray[np.intp]

    @classmethod
    def learned(cls, first: PixelCurve, bins_count: int) -> Self:
        """Make bins for scores such as those of the first images.

        Bins are narrow where many defective pixels lie, where many good ones do, and at the
        highest scores of good ones, where precision and overlap are decided.
        """
        found = np.cumsum(first.good)
        # Rises from the highest score to the lowest.
        depth = _share(found) + _share(np.log1p(found)) + _share(np.cumsum(first.defective))
        bins = np.minimum(depth / depth[-1] * bins_count, bins_count - 1).astype(np.intp)
        # A key that did not occur joins the bin of the next higher one that did.
        gaps = np.diff(first.keys[::-1], prepend=first.keys[-1] - 1)
        return cls(lowest=int(first.keys[-1]), table=np.repeat(bins[::-1], gaps))

    def of(self, keys: Keys) -> NDArray[np.intp]:
        """Return the bin of every key."""
        return np.asarray(self.table.take(keys - self.lowest, mode="clip"))


class PixelRounds:
    """Bootstrap rounds of the pixel figures over a stream of images.

    The images should come in random order, so that the first ones show what scores to expect.
    """

    #: Images that the bins' edges are learned from, and that are weighted at once.
    GROUP_COUNT = 32
    BINS_COUNT = 2048

    def __init__(self, *, rounds_count: int = ROUNDS_COUNT, seed: int | Sequence[int] = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._bins: _Bins | None = None
        #: The first images, until there are enough to learn the bins from.
        self._first: list[KeyedMaps] = []
        #: Counts of images that are not yet weighted: good, defective, overlap, and regions.
        self._rows: list[NDArray[np.float64]] = []
        self._totals = np.zeros((rounds_count, 3 * self.BINS_COUNT + 1))

    def add(self, maps: KeyedMaps) -> None:
        """Count the pixels of a batch in every round."""
        if self._bins is not None:
            self._count(maps, self._bins)
            return
        self._first.append(maps)
        if sum(len(each.keys) for each in self._first) >= self.GROUP_COUNT:
            self._begin()

    def figures(self, exact: PixelCurve) -> dict[str, NDArray[np.float64]]:
        """Return the pixel figures of every round, `(R,)` each; undefined rounds are NaN.

        ``exact`` are the fine counts of the same images, from which the rounds' bins differ a
        little; the figures are moved by that difference, but not out of [0, 1].
        """
        bins = self._begin() if self._bins is None else self._bins
        self._weight()
        rounds = self._curve().figures()
        fine, coarse = exact.figures(), _binned(exact, bins, self.BINS_COUNT).figures()
        return {
            name: np.clip(values + (fine[name] - coarse[name]), 0, 1)
            for name, values in rounds.items()
        }

    def _begin(self) -> _Bins:
        """Learn the bins from the first images, and count these."""
        counts = PixelCounts()
        for maps in self._first:
            counts.add(maps)
        self._bins = bins = _Bins.learned(counts.curve(), self.BINS_COUNT)
        for maps in self._first:
            self._count(maps, bins)
        self._first.clear()
        return bins

    def _count(self, maps: KeyedMaps, bins: _Bins) -> None:
        images_count = len(maps.keys)
        # Every image has bins of its own.
        firsts = np.arange(images_count)[:, None, None] * self.BINS_COUNT
        places = bins.of(maps.keys) + firsts
        defective = places[maps.masks]
        counts = [
            np.bincount(some, amounts, minlength=images_count * self.BINS_COUNT)
            for some, amounts in (
                (places[~maps.masks], None),
                (defective, None),
                (defective, maps.overlaps),
            )
        ]
        tables = [each.reshape(images_count, self.BINS_COUNT) for each in counts]
        self._rows.append(np.hstack([*tables, maps.regions[:, None]]).astype(np.float64))
        if sum(map(len, self._rows)) >= self.GROUP_COUNT:
            self._weight()

    def _weight(self) -> None:
        """Add the counts that wait to every round, each as often as the round has drawn it."""
        if self._rows:
            rows = np.concatenate(self._rows)
            weights = self._rng.poisson(1.0, (len(rows), len(self._totals)))
            self._totals += weights.T.astype(np.float64) @ rows
            self._rows.clear()

    def _curve(self) -> PixelCurve:
        good, defective, overlap, regions = np.split(
            self._totals, np.arange(1, 4) * self.BINS_COUNT, axis=1
        )
        return PixelCurve(
            keys=np.arange(self.BINS_COUNT),
            good=good,
            defective=defective,
            overlap=overlap,
            regions=regions[:, 0],
        )


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / values[-1] if values[-1] > 0 else values


def _binned(exact: PixelCurve, bins: _Bins, bins_count: int) -> PixelCurve:
    places = bins.of(exact.keys)
    good, defective, overlap = (
        np.bincount(places, counts, minlength=bins_count).astype(np.float64)
        for counts in (exact.good, exact.defective, exact.overlap)
    )
    return PixelCurve(
        keys=np.arange(bins_count),
        good=good,
        defective=defective,
        overlap=overlap,
        regions=exact.regions,
    )


def _per_score(
    labels: NDArray[np.integer], scores: NDArray[np.floating]
) -> tuple[curve.Counts, curve.Counts]:
    """Return how many good and how many anomalous images have each score, highest first."""
    distinct, places = np.unique(scores, return_inverse=True)
    count = len(distinct)
    good, defective = (
        np.bincount(places[labels == label], minlength=count)[::-1].astype(np.float64)
        for label in (0, 1)
    )
    return good, defective


def _drawn(rng: np.random.Generator, counts: curve.Counts, rounds_count: int) -> curve.Counts:
    total = int(counts.sum())
    if total == 0:
        return np.zeros((rounds_count, len(counts)))
    return rng.multinomial(total, counts / total, size=rounds_count).astype(np.float64)
