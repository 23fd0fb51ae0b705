"""Pixel figures of a stream of anomaly maps, in memory that no number of maps lets grow.

Pixels are counted under a key: 24 bits of their score as float32, or, above one half, of its
distance to 1, in the order of the scores. Scores may share a key and then count as equal, as ties
do everywhere in the field, when they differ by less than 2^-15 (0.003 %) of their distance to 0
or to 1, whichever is nearer: saturated maps keep their order. Sharing changes the AUROC by at
most half the share of good-defective pairs that share a key without being equal. The other
figures lose points of a curve that has thousands in every octave of scores.

Counts of keys that never occur take address space but no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.errors import CheckpointError
from inspection.training import curve

#: Sign, exponent and 15 bits of the mantissa.
_KEY_BITS = 24
#: Scores above it are told apart by their distance to 1, which float32 knows exactly.
_FOLD = np.float32(0.5)
#: Twice the key of one half, whose bits are 0x3F000000. The key of a score above one half is this
#: minus the key of its distance to 1.
_MIRROR = 2 * ((0x3F000000 >> (32 - _KEY_BITS)) + (1 << (_KEY_BITS - 1)))
KEYS_COUNT = _MIRROR + 1
#: Pixels that touch at a corner belong to one region, as in MVTec's own evaluation.
_CONNECTIVITY = 8
#: False positive rates up to which the per-region overlap is integrated.
OVERLAP_LIMITS = {"aupro_30": 0.30, "aupro_05": 0.05}

Keys = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class KeyedMaps:
    """A batch of maps and masks, ready to be counted."""

    #: ``(B, H, W)`` key of every pixel's score.
    keys: Keys
    #: ``(B, H, W)`` True where a pixel is defective.
    masks: NDArray[np.bool_]
    #: For every defective pixel, in the order of the masks, 1 / size of its region in pixels.
    overlaps: NDArray[np.float64]
    #: ``(B,)`` regions of every mask.
    regions: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PixelCurve:
    """Everything the pixel figures follow from; counts per key, highest score first."""

    #: Keys that occurred.
    keys: Keys
    good: curve.Counts
    defective: curve.Counts
    #: Per key, the sum over defective pixels of 1 / size of their region.
    overlap: curve.Counts
    #: Defective regions; of a bootstrap, one number a round.
    regions: NDArray[np.float64]

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """Return P-AUROC, P-AP, P-F1max and AUPRO; what is undefined is NaN."""
        found = {
            "p_auroc": curve.auroc(self.good, self.defective),
            "p_ap": curve.average_precision(self.good, self.defective),
            "p_f1max": curve.f1_max(self.good, self.defective),
        }
        for name, limit in OVERLAP_LIMITS.items():
            found[name] = curve.aupro(self.good, self.overlap, self.regions, limit)
        return found


class PixelCounts:
    """Counts of good and defective pixels per score."""

    def __init__(self) -> None:
        self._good = np.zeros(KEYS_COUNT, dtype=np.int64)
        self._defective = np.zeros(KEYS_COUNT, dtype=np.int64)
        self._overlap = np.zeros(KEYS_COUNT, dtype=np.float64)
        self._regions_count = self._good_count = 0
        # Only keys from the first to before the second have been counted.
        self._lowest, self._end = KEYS_COUNT, 0

    def add(self, maps: KeyedMaps) -> None:
        """Count the pixels of a batch."""
        good = maps.keys[~maps.masks]
        np.add.at(self._good, good, 1)
        self._good_count += len(good)
        defective = maps.keys[maps.masks]
        np.add.at(self._defective, defective, 1)
        np.add.at(self._overlap, defective, maps.overlaps)
        self._regions_count += int(maps.regions.sum())
        self._lowest = min(self._lowest, int(maps.keys.min()))
        self._end = max(self._end, int(maps.keys.max()) + 1)

    def one_sided(self) -> str | None:
        """Return why there are no pixel figures, None when there are."""
        if self._regions_count == 0:
            return "no defective pixel"
        return None if self._good_count else "no good pixel"

    def curve(self) -> PixelCurve:
        """Return the counts of the keys that occurred."""
        used = slice(self._lowest, self._end)
        is_used = (self._good[used] > 0) | (self._defective[used] > 0)
        occurred = np.flatnonzero(is_used)[::-1] + self._lowest
        return PixelCurve(
            keys=occurred,
            good=self._good[occurred].astype(np.float64),
            defective=self._defective[occurred].astype(np.float64),
            overlap=self._overlap[occurred],
            regions=np.asarray(float(self._regions_count)),
        )


def keyed(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> KeyedMaps:
    """Prepare maps ``(B, H, W)`` and their masks for counting.

    Raises:
        CheckpointError: a map holds something that is no number.
    """
    weights, regions = [np.empty(0)], []
    for mask in masks:
        count, overlaps = _regions(mask)
        weights.append(overlaps)
        regions.append(count)
    return KeyedMaps(
        keys=keys_of(maps),
        masks=masks,
        overlaps=np.concatenate(weights),
        regions=np.asarray(regions, dtype=np.int64),
    )


def keys_of(scores: NDArray[np.float32]) -> Keys:
    """Return integers in the order of the scores, from 0 to below `KEYS_COUNT`.

    Raises:
        CheckpointError: a score is no number.
    """
    if np.isnan(scores).any():
        raise CheckpointError("the detector answers with anomaly maps that hold no numbers (NaN)")
    is_high = scores > _FOLD
    keys = _ordered(np.where(is_high, np.float32(1) - scores, scores))
    return np.where(is_high, _MIRROR - keys, keys)


def _ordered(scores: NDArray[np.float32]) -> Keys:
    """Return the upper bits of float32 numbers, as integers in the order of the numbers."""
    # Minus zero becomes zero. The bits of a float32 are in the order of the numbers they stand
    # for when those of negative numbers are turned round, all but the sign.
    bits = np.ascontiguousarray(scores + np.float32(0)).view(np.int32)
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return (ordered >> (32 - _KEY_BITS)).astype(np.intp) + (1 << (_KEY_BITS - 1))


def pixel_figures(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> Mapping[str, float]:
    """Return the pixel figures of maps ``(B, H, W)`` that are all there; undefined ones are NaN."""
    counts = PixelCounts()
    counts.add(keyed(maps, masks))
    return {name: float(value) for name, value in counts.curve().figures().items()}


def _regions(mask: NDArray[np.bool_]) -> tuple[int, NDArray[np.float64]]:
    """Return how many regions a mask has, and 1 / size of its region for each of its pixels."""
    if not mask.any():
        return 0, np.empty(0)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=_CONNECTIVITY)
    inside = np.asarray(labels)[mask]
    return count - 1, 1.0 / np.bincount(inside)[inside]
