"""The subspace that the patches of good parts keep to, and how far a patch is from it.

It is a normal distribution that varies in few directions and has the same noise in all others
(probabilistic PCA). The distance from it is Mahalanobis's, squared and divided by the number of
channels: about 1 for the patches that it was fitted to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: Share of the variance that is noise at least, so that equal patches leave room for others.
_NOISE_SHARE = 0.01
#: Least variance of a channel.
_LEAST_VARIANCE = 1e-6
#: Least distance: a patch can be the mean itself.
LEAST_DISTANCE = 1e-6
#: Patches that are summed up at once.
_CHUNK_COUNT = 4096


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What a subspace needs to know of patches; those of two sets add up."""

    #: Patches.
    count: int
    #: ``(D,)`` float64.
    sums: NDArray[np.float64]
    #: ``(D, D)`` float64, the sum of the products of two channels.
    products: NDArray[np.float64]

    @classmethod
    def of(cls, patches: NDArray[np.float16]) -> Self:
        """Return those of patches ``(n, D)``."""
        width = patches.shape[1]
        sums, products = np.zeros(width), np.zeros((width, width))
        for start in range(0, len(patches), _CHUNK_COUNT):
            chunk = patches[start : start + _CHUNK_COUNT].astype(np.float32)
            sums += chunk.sum(axis=0, dtype=np.float64)
            products += chunk.T @ chunk
        return cls(count=len(patches), sums=sums, products=products)

    @classmethod
    def together(cls, parts: Iterable["Moments"]) -> Self:
        """Return those of several sets."""
        each = list(parts)
        return cls(
            count=sum(part.count for part in each),
            sums=np.sum([part.sums for part in each], axis=0),
            products=np.sum([part.products for part in each], axis=0),
        )


@dataclass(frozen=True, kw_only=True)
class Subspace:
    """A fitted subspace."""

    #: ``(D,)`` float32, the mean patch.
    mean: NDArray[np.float32]
    #: ``(D, r)`` float32, the directions that patches vary in, each as long as it makes the
    #: distance smaller: ``(|x - mean|^2 / noise - |(x - mean) @ directions|^2) / D``.
    directions: NDArray[np.float32]
    #: Variance of every other direction.
    noise: float

    def distances(self, patches: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return the distance ``(n,)`` of patches ``(n, D)``."""
        centred = patches.astype(np.float32) - self.mean
        within = centred @ self.directions
        whole = np.einsum("nd,nd->n", centred, centred) / self.noise
        squared = (whole - np.einsum("nr,nr->n", within, within)) / len(self.mean)
        found: NDArray[np.float32] = squared.clip(LEAST_DISTANCE).astype(np.float32)
        return found


def fit(moments: Moments, directions_count: int) -> Subspace:
    """Return the subspace of the patches that the moments sum up."""
    mean = moments.sums / moments.count
    covariance = moments.products / moments.count - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    width = len(mean)
    kept_count = min(directions_count, width - 1)
    least = max(float(values.mean()) * _NOISE_SHARE, _LEAST_VARIANCE)
    noise = max(float(values[kept_count:].mean()), least)
    lengths = np.sqrt(1 / noise - 1 / values[:kept_count].clip(noise))
    return Subspace(
        mean=mean.astype(np.float32),
        directions=(vectors[:, :kept_count] * lengths).astype(np.float32),
        noise=noise,
    )
