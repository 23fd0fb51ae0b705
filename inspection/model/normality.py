"""Normality: the subspaces of all taps together, and the pictures they are fitted to.

How far unseen good parts are from them is learnt by leaving pictures out in turn. So it is seen
which pictures look unlike the others, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspection.model.subspace import Moments, Subspace, fit

#: Directions of a subspace at most; at 1024 channels and four taps they take 2 MB.
_DIRECTIONS_COUNT = 256
#: Directions of a subspace as a share of the channels.
_DIRECTIONS_SHARE = 1 / 3
#: Folds that are left out in turn: pictures, or bands of the only one.
_FOLDS_COUNT = 4
#: From so many pictures on two folds will do …
_MANY_COUNT = 16
#: … and from so many on those that look unlike the others are left out.
_TRIMMED_COUNT = 8
#: Times that is done: without the worst the next are seen better.
_TRIMMINGS_COUNT = 2
#: A picture looks unlike the others so many times their usual spread above the median …
_UNLIKE_SPREADS = 4.0
#: … which is this at least, in natural logarithms: where all look the same it would be nothing.
_UNLIKE_LEAST = 0.04
#: Most that are left out, as a share of the pictures.
_UNLIKE_SHARE = 0.2
#: Least difference of the farthest and a usual patch, in natural logarithms or logits.
LEAST_SPREAD = 0.5

_Patches = NDArray[np.float16]
_Distances = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Normality:
    """The subspaces of all taps, stacked."""

    #: ``(taps, D)`` float32.
    mean: NDArray[np.float32]
    #: ``(taps, D, r)`` float16.
    directions: NDArray[np.float16]
    #: ``(taps,)`` float32.
    noise: NDArray[np.float32]

    def distances(self, patches: _Patches) -> _Distances:
        """Return ``(n,)`` of ``(taps, n, D)``: the mean over the taps of the logarithms."""
        found: _Distances = np.mean(
            [
                np.log(
                    Subspace(
                        mean=self.mean[tap],
                        directions=self.directions[tap].astype(np.float32),
                        noise=float(self.noise[tap]),
                    ).distances(patches[tap])
                )
                for tap in range(len(self.mean))
            ],
            axis=0,
            dtype=np.float32,
        )
        return found


def normality_of(pictures: Sequence[_Patches]) -> tuple[Normality, _Distances, list[int]]:
    """Return what the patches ``(taps, n, D)`` of pictures have in common.

    1. Every picture is held against the others: it is left out, and its distances are taken.
    2. Of eight pictures or more, those whose farthest patch is too far are dropped, and the
       rest are held against each other again.
    3. What is left is fitted together.

    Returns:
        The normality; the distances ``(3,)`` of the farthest patch of a usual picture, from there
        to a usual patch, and of the farthest patch that still looks normal; and the positions of
        the pictures that were kept.
    """
    held = _Held(pictures)
    kept = list(range(len(pictures)))
    unseen = held.against_each_other(kept)
    if len(pictures) >= _TRIMMED_COUNT:
        for _ in range(_TRIMMINGS_COUNT):
            alike = _alike([unseen[position].max() for position in kept])
            if len(alike) == len(kept):
                break
            kept = [kept[position] for position in alike]
            unseen = held.against_each_other(kept)
    farthest = np.array([unseen[position].max() for position in kept])
    usual = float(np.median(np.concatenate([unseen[position] for position in kept])))
    highest = max(float(np.median(farthest)), 0.0)
    found = [highest, max(highest - usual, LEAST_SPREAD), max(_limit(farthest), highest)]
    return held.fitted(kept), np.array(found, dtype=np.float32), kept


class _Held:
    """Pictures that are held against each other."""

    def __init__(self, pictures: Sequence[_Patches]) -> None:
        self._pictures = pictures
        width = pictures[0].shape[2]
        self._directions_count = min(_DIRECTIONS_COUNT, round(width * _DIRECTIONS_SHARE))

    def fitted(self, kept: Sequence[int]) -> Normality:
        """Return what pictures have in common."""
        return self._fitted(_moments([self._pictures[position] for position in kept]))

    def against_each_other(self, kept: Sequence[int]) -> dict[int, _Distances]:
        """Return the distances of each picture from what the others have in common."""
        if len(kept) == 1:
            bands = np.array_split(self._pictures[kept[0]], _FOLDS_COUNT, axis=1)
            parts = self._left_out([[band] for band in bands if band.shape[1]])
            return {kept[0]: np.concatenate([distances for [distances] in parts])}
        folds_count = 2 if len(kept) >= _MANY_COUNT else min(_FOLDS_COUNT, len(kept))
        folds = [kept[fold::folds_count] for fold in range(folds_count)]
        parts = self._left_out([[self._pictures[position] for position in fold] for fold in folds])
        return {
            position: distances
            for fold, part in zip(folds, parts, strict=True)
            for position, distances in zip(fold, part, strict=True)
        }

    def _left_out(self, folds: Sequence[Sequence[_Patches]]) -> list[list[_Distances]]:
        """Return the distances of the patches of each fold from the others."""
        moments = [_moments(fold) for fold in folds]
        if len(folds) == 1:
            others = [self._fitted(moments[0])]
        else:
            others = [
                self._fitted(
                    [
                        Moments.together(tap)
                        for tap in zip(*(moments[:number] + moments[number + 1 :]), strict=True)
                    ]
                )
                for number in range(len(folds))
            ]
        return [
            [normality.distances(patches) for patches in fold]
            for normality, fold in zip(others, folds, strict=True)
        ]

    def _fitted(self, moments: Sequence[Moments]) -> Normality:
        """Return the normality of the moments of every tap."""
        taps = [fit(each, self._directions_count) for each in moments]
        return Normality(
            mean=np.stack([tap.mean for tap in taps]),
            directions=np.stack([tap.directions for tap in taps]).astype(np.float16),
            noise=np.array([tap.noise for tap in taps], dtype=np.float32),
        )


def _moments(pictures: Sequence[_Patches]) -> list[Moments]:
    """Return the moments of every tap."""
    return [
        Moments.of(np.concatenate([patches[tap] for patches in pictures]))
        for tap in range(len(pictures[0]))
    ]


def _alike(farthest: Sequence[np.float32]) -> list[int]:
    """Return the positions of those that do not look unlike the others."""
    order = np.argsort(farthest, kind="stable")
    least_count = len(farthest) - int(len(farthest) * _UNLIKE_SHARE)
    limit = _limit(np.asarray(farthest))
    return sorted(
        position
        for rank, position in enumerate(order.tolist())
        if rank < least_count or farthest[position] <= limit
    )


def _limit(farthest: _Distances) -> float:
    """Return how far pictures may be that do not look unlike these."""
    median, upper = np.quantile(farthest, (0.5, 0.75))
    # Of a normal distribution the upper quartile is 0.67 deviations above the median.
    spread = max(float(upper - median) / 0.67, _UNLIKE_LEAST)
    return float(median) + _UNLIKE_SPREADS * spread
