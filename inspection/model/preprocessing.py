"""From pixels to what a backbone sees: a square, normalised."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inspection.model.backbone import Normalisation


def resize(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return a picture ``(H, W, 3)`` as a square, bilinear with antialiasing."""
    if image.shape[:2] == (size_px, size_px):
        return image
    square = Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.array(square)


def normalise(
    pictures: NDArray[np.uint8], normalisation: Normalisation, device: torch.device | str = "cpu"
) -> Tensor:
    """Return ``(B, 3, H, W)`` float32 for ``(B, H, W, 3)`` uint8 RGB."""
    scaled = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(normalisation.mean, device=device).view(1, 3, 1, 1)
    deviation = torch.tensor(normalisation.deviation, device=device).view(1, 3, 1, 1)
    return ((scaled - mean) / deviation).contiguous()


def prepared(
    images: Sequence[NDArray[np.uint8]],
    size_px: int,
    normalisation: Normalisation,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return ``(B, 3, size, size)`` float32 for pictures ``(H, W, 3)`` uint8 RGB of any size."""
    squares = np.stack([resize(image, size_px) for image in images])
    return normalise(squares, normalisation, device)
