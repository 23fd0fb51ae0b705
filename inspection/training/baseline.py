"""Baselines: what simple rules reach on the images that a detector is measured on.

A detector that is no better than a rule of a few lines is not worth its weights. Both baselines
see what the detector sees, pictures of its own size, and both score a picture by the maximum of
its map. Nothing in them was chosen with labels.
"""

from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

#: Makes the median absolute deviation of normally distributed values their standard deviation.
_MAD_TO_DEVIATION = 1.4826
#: Smallest spread, in grey levels: what is flatter than that is quantised, not varied.
_LEAST_SPREAD = 1.0
#: Deviation of the blur, as a share of the picture's edge: 2 px of 256.
_BLUR_SHARE = 1 / 128


class Baseline(Protocol):
    """A rule that draws anomaly maps."""

    name: ClassVar[str]

    def drawn(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the anomaly map ``(size, size)`` of ``(size, size, 3)`` uint8 RGB, any range."""
        ...


class DarknessEdge:
    """Dark places and edges of a picture; no reference is used.

    1. Darkness: how many grey levels a pixel is below the picture's median.
    2. Edge: the magnitude of the grey level's gradient (Sobel), less its median.
    3. Each is divided by its own spread in this picture: the median absolute deviation, scaled to
       a standard deviation, and at least one grey level.
    4. The larger of the two, blurred by a Gaussian of 1/128 of the edge, is the map.
    """

    name: ClassVar[str] = "darkness-edge"

    def drawn(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the anomaly map ``(size, size)`` of ``(size, size, 3)`` uint8 RGB."""
        grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
        across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
        largest = np.maximum(-_standardised(grey), _standardised(cv2.magnitude(across, down)))
        blurred = cv2.GaussianBlur(largest, (0, 0), len(image) * _BLUR_SHARE)
        return np.asarray(blurred, np.float32)


class PatchPca:
    """Residuals of raw patches outside the principal components of good ones.

    1. Patches of 8x8 px in RGB are cut every 4 px from all good training pictures.
    2. Their principal components are kept until these explain 95 % of the variance.
    3. The length of what remains of a patch outside them, in grey levels, is its residual.
    4. Every 4x4 px have the mean residual of the patches that cover them; drawn bilinearly at the
       size of the picture, that is the map.
    """

    name: ClassVar[str] = "patch-pca"

    #: Edge of a patch, and the distance between two.
    PATCH_PX, STRIDE_PX = 8, 4
    #: Share of the variance that is explained.
    EXPLAINED = 0.95

    def __init__(self, mean: NDArray[np.float32], components: NDArray[np.float32]) -> None:
        #: ``(192,)``.
        self._mean = mean
        #: ``(192, k)``, orthonormal columns.
        self._components = components

    def drawn(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the anomaly map ``(size, size)`` of ``(size, size, 3)`` uint8 RGB."""
        patches = _patches(image)
        centred = patches - self._mean
        inside = centred @ self._components
        remaining = (centred**2).sum(axis=1) - (inside**2).sum(axis=1)
        edge = round(len(patches) ** 0.5)
        residuals = np.sqrt(remaining.clip(0)).reshape(edge, edge)
        framed = np.pad(residuals, 1, mode="edge")
        places = (framed[:-1, :-1] + framed[1:, :-1] + framed[:-1, 1:] + framed[1:, 1:]) / 4
        return np.asarray(cv2.resize(places, image.shape[1::-1]), np.float32)


class PatchMoments:
    """Sums over the patches of good pictures, in memory that no number of pictures lets grow."""

    def __init__(self) -> None:
        width = PatchPca.PATCH_PX**2 * 3
        self._count = 0
        self._sums = np.zeros(width)
        self._products = np.zeros((width, width))

    def add(self, image: NDArray[np.uint8]) -> None:
        """Take in a good picture ``(size, size, 3)`` uint8 RGB."""
        patches = _patches(image)
        self._count += len(patches)
        self._sums += patches.sum(axis=0, dtype=np.float64)
        self._products += patches.T @ patches

    def fitted(self) -> PatchPca | None:
        """Return the baseline that the pictures so far make, None without any."""
        if self._count == 0:
            return None
        mean = self._sums / self._count
        variances, directions = np.linalg.eigh(self._products / self._count - np.outer(mean, mean))
        variances, directions = variances[::-1].clip(0), directions[:, ::-1]
        explained = np.cumsum(variances)
        count = int(np.searchsorted(explained, PatchPca.EXPLAINED * explained[-1])) + 1
        return PatchPca(mean.astype(np.float32), directions[:, :count].astype(np.float32))


def bounded(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return maps of any range as maps in (0, 1) in the same order, so that figures stay."""
    return np.asarray(0.5 + 0.5 * maps / (1 + np.abs(maps)), np.float32)


def _standardised(values: cv2.typing.MatLike) -> NDArray[np.float32]:
    """Return values less their median, in units of their robust spread."""
    deviations = values - np.median(values)
    spread = _MAD_TO_DEVIATION * np.median(np.abs(deviations))
    return np.asarray(deviations / max(spread, _LEAST_SPREAD), np.float32)


def _patches(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the patches ``(N, 192)`` of a picture, row by row."""
    edge, stride = PatchPca.PATCH_PX, PatchPca.STRIDE_PX
    windows = np.lib.stride_tricks.sliding_window_view(image, (edge, edge), axis=(0, 1))
    chosen = windows[::stride, ::stride]
    return chosen.reshape(chosen.shape[0] * chosen.shape[1], -1).astype(np.float32)
