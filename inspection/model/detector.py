"""The detector: pictures in, anomaly scores and the grids of their anomaly maps out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inspection.errors import ConfigurationError
from inspection.model.ava_dino import draw_map
from inspection.model.checkpoint import Checkpoint, load_checkpoint
from inspection.model.text import ProductTexts

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What the detector says about one picture."""

    #: Anomaly score in [0, 1], higher is worse: the maximum of the anomaly map.
    score: float
    #: ``(taps, h, w)`` float16, anomalous minus normal logit of every patch. The anomaly map is
    #: the mean over the taps of the sigmoid of this grid, drawn bilinearly with aligned corners.
    grid: NDArray[np.float16]


class Detector:
    """A checkpoint on a device, ready to score."""

    def __init__(
        self, checkpoint: Checkpoint, *, device: str, precision: Precision = "float32"
    ) -> None:
        self._config = checkpoint.config
        self._device = _usable_device(device)
        self._precision = precision
        self._network = checkpoint.network.eval().to(self._device)
        self._texts = ProductTexts(self._network.text)
        self.checkpoint_hash = checkpoint.content_hash
        self.image_size_px = checkpoint.config.image_size_px
        edge = self.image_size_px // self._network.backbone.patch_size_px
        #: Taps, rows and columns of a grid.
        self.grid = (len(self._network.backbone.tap_blocks), edge, edge)

    @classmethod
    def load(
        cls,
        path_or_name: str | Path,
        *,
        device: str,
        threads: int | None = None,
        precision: Precision = "float32",
    ) -> Self:
        """Load a checkpoint folder, or `pocket`, onto a device such as `cpu` or `cuda:0`.

        `threads` sets how many CPU threads torch uses in this process.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
            ConfigurationError: there is no such device.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(load_checkpoint(path_or_name), device=device, precision=precision)

    def score(self, images: Sequence[NDArray[np.uint8]], products: Sequence[str]) -> list[Scored]:
        """Score ``(H, W, 3)`` uint8 RGB pictures of any size, each of the product named with it."""
        if len(images) != len(products):
            raise ValueError(f"{len(images)} images but {len(products)} products")
        if not images:
            return []
        with torch.inference_mode():
            batch = self._tensor(images)
            text = torch.stack([self._texts(product) for product in products])
            with self._autocast():
                taps = self._network.backbone(batch)
            answer = self._network.head(taps, text)
            grids = answer.patch_logits.unflatten(2, self.grid[1:])  # (B, taps, h, w)
            maps = draw_map(grids, (self.image_size_px, self.image_size_px))
            scores = maps.amax(dim=(1, 2)).cpu().tolist()
            stored = grids.cpu().numpy().astype(np.float16)
        return [Scored(score=score, grid=grid) for score, grid in zip(scores, stored, strict=True)]

    def _tensor(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        size_px, config = self.image_size_px, self._config
        resized = np.stack([resize(image, size_px) for image in images])
        pixels = torch.from_numpy(resized).to(self._device).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(config.mean, device=self._device).view(1, 3, 1, 1)
        deviation = torch.tensor(config.deviation, device=self._device).view(1, 3, 1, 1)
        return (pixels - mean) / deviation

    def _autocast(self) -> "torch.autocast | nullcontext[None]":
        if self._precision == "bfloat16":
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()


def resize(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return a picture ``(H, W, 3)`` as a square, bilinear with antialiasing."""
    square = Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.array(square)


def _usable_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(
            f"the device {name!r} cannot be used: {str(error).splitlines()[0]}; choose cpu"
        ) from error
    return device
