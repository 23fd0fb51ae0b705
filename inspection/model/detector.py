"""The detector: pictures in, anomaly scores and the grids of their anomaly maps out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.model.checkpoint import Checkpoint, load_checkpoint
from inspection.model.device import usable_device
from inspection.model.head import draw_map
from inspection.model.preprocessing import prepared
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


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the parts that a checkpoint refers to are on this machine."""

    #: The backbone's folder, file or repository; None for what the checkpoint says.
    backbone: str | None = None
    #: The text tower's, likewise.
    text: str | None = None
    #: Folder in which the encoded sentences of products are kept; None to encode them anew.
    cache: Path | None = None


class Detector:
    """A checkpoint on a device, ready to score."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str,
        precision: Precision = "float32",
        cache: Path | None = None,
    ) -> None:
        self._config = checkpoint.config
        self._device = usable_device(device)
        self._precision = precision
        self._network = checkpoint.network.eval().to(self._device)
        self._texts = ProductTexts(self._network.text, cache=cache)
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
        sources: Sources | None = None,
    ) -> Self:
        """Load a checkpoint folder, or `pocket`, onto a device such as `cpu` or `cuda:0`.

        `threads` sets how many CPU threads torch uses in this process.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
            ConfigurationError: there is no such device.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        sources = sources or Sources()
        checkpoint = load_checkpoint(path_or_name, backbone=sources.backbone, text=sources.text)
        return cls(checkpoint, device=device, precision=precision, cache=sources.cache)

    def score(self, images: Sequence[NDArray[np.uint8]], recipes: Sequence[Recipe]) -> list[Scored]:
        """Score ``(H, W, 3)`` uint8 RGB pictures of any size, each of its recipe's product."""
        if len(images) != len(recipes):
            raise ValueError(f"{len(images)} images but {len(recipes)} recipes")
        if not images:
            return []
        with torch.inference_mode():
            batch = prepared(
                images, self.image_size_px, self._network.backbone.normalisation, self._device
            )
            text = torch.stack([self._texts(recipe) for recipe in recipes])
            with self._autocast():
                taps = self._network.backbone(batch)
            answer = self._network.head(taps, text)
            grids = answer.patch_logits.unflatten(2, self.grid[1:])  # (B, taps, h, w)
            maps = draw_map(grids, (self.image_size_px, self.image_size_px))
            scores = maps.amax(dim=(1, 2)).cpu().tolist()
            stored = grids.cpu().numpy().astype(np.float16)
        return [Scored(score=score, grid=grid) for score, grid in zip(scores, stored, strict=True)]

    def _autocast(self) -> "torch.autocast | nullcontext[None]":
        if self._precision == "bfloat16":
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()
