"""The detector: pictures in, anomaly scores and the grids of their anomaly maps out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, ReferenceMissingError
from inspection.model.backbone import Tap
from inspection.model.checkpoint import Checkpoint, load_checkpoint
from inspection.model.device import usable_device
from inspection.model.distance import anomaly_logits
from inspection.model.head import draw_map
from inspection.model.preprocessing import prepared
from inspection.model.reference import Reference, Survey, survey_of
from inspection.model.text import ProductTexts

Precision = Literal["float32", "bfloat16"]

#: Patches of a survey take so much at least …
_SURVEY_BYTES = 1 << 20
#: … and those of all surveys of a reference together so much, where that leaves more for each.
_SURVEYS_BYTES = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What the detector says about one picture."""

    #: Anomaly score in [0, 1], higher is worse: the maximum of the anomaly map.
    score: float
    #: ``(taps, h, w)`` float16, anomalous minus normal logit of every patch; one tap when it was
    #: scored with a reference. The anomaly map is the mean over the taps of the sigmoid of this
    #: grid, drawn bilinearly with aligned corners.
    grid: NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What there is to say of a batch before any reference is known; on the detector's device."""

    #: What the backbone says.
    taps: list[Tap]
    #: ``(B, taps, N)``, what the text says; None without adapters.
    text_logits: Tensor | None

    def at(self, positions: list[int]) -> Self:
        """Return the pictures at these positions."""
        if positions == list(range(len(self.taps[0].cls))):
            return self
        return replace(
            self,
            taps=[
                Tap(
                    cls=tap.cls[positions],
                    patches=tap.patches[positions],
                    deviation=None if tap.deviation is None else tap.deviation[positions],
                )
                for tap in self.taps
            ],
            text_logits=None if self.text_logits is None else self.text_logits[positions],
        )


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
        self._texts = (
            None if self._network.text is None else ProductTexts(self._network.text, cache=cache)
        )
        self._width = self._network.backbone.width
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

    @property
    def needs_reference(self) -> bool:
        """Whether it has no adapters, so that a picture without a reference has no score."""
        return self._network.head is None

    def score(
        self,
        images: Sequence[NDArray[np.uint8]],
        recipes: Sequence[Recipe],
        references: Sequence[Reference | None] | None = None,
    ) -> list[Scored]:
        """Score ``(H, W, 3)`` uint8 RGB pictures of any size, each of its recipe's product.

        Args:
            images: the pictures.
            recipes: what each of them shows.
            references: what normal looks like on each of them; None where nobody knows, and None
                in place of all when nobody knows it of any.

        Raises:
            CheckpointError: a reference is made with another checkpoint.
            ReferenceMissingError: there are no adapters, and some picture has no reference.
        """
        self._check(images, recipes, references)
        if not images:
            return []
        return self.judge(self.look(images, recipes), references)

    def look(self, images: Sequence[NDArray[np.uint8]], recipes: Sequence[Recipe]) -> Look:
        """Return what there is to say of pictures before any reference is known.

        `judge` scores them with one reference after another, while the backbone saw them once.
        """
        with torch.inference_mode():
            batch = prepared(
                images, self.image_size_px, self._network.backbone.normalisation, self._device
            )
            with self._autocast():
                taps = self._network.backbone(batch)
            return Look(taps=taps, text_logits=self._text_logits(taps, recipes))

    def judge(
        self, look: Look, references: Sequence[Reference | None] | None = None
    ) -> list[Scored]:
        """Score what `look` has seen; the arguments and errors are those of `score`."""
        count = len(look.taps[0].patches)
        references = [None] * count if references is None else references
        self._check_references(references)
        positions: dict[str | None, list[int]] = {}
        for position, reference in enumerate(references):
            known = None if reference is None else reference.content_hash
            positions.setdefault(known, []).append(position)
        scored: dict[int, Scored] = {}
        with torch.inference_mode():
            for group in positions.values():
                grids = self._grids(look.at(group), references[group[0]])
                scored.update(zip(group, self._scored(grids), strict=True))
        return [scored[position] for position in range(count)]

    def survey(
        self,
        images: Sequence[NDArray[np.uint8]],
        recipes: Sequence[Recipe],
        *,
        of_count: int = 0,
    ) -> list[Survey]:
        """Return what a reference needs to know of good pictures, one survey for each.

        `of_count` is how many pictures the reference will be made of, 0 if nobody knows: of few
        pictures every patch is kept, of more a sample, 1 MiB a survey at least.
        """
        self._check(images, recipes, None)
        if not images:
            return []
        look = self.look(images, recipes)
        tokens = torch.stack([tap.centred() for tap in look.taps], dim=1).half().cpu().numpy()
        texts = (
            [None] * len(images)
            if look.text_logits is None
            else look.text_logits.mean(dim=1).half().cpu().numpy()
        )
        limit_bytes = max(_SURVEY_BYTES, _SURVEYS_BYTES // of_count if of_count else 0)
        return [
            survey_of(self.checkpoint_hash, image, patches, text, limit_bytes=limit_bytes)
            for image, patches, text in zip(images, tokens, texts, strict=True)
        ]

    def _text_logits(self, taps: list[Tap], recipes: Sequence[Recipe]) -> Tensor | None:
        if self._network.head is None or self._texts is None:
            return None
        text = torch.stack([self._texts(recipe) for recipe in recipes])
        logits: Tensor = self._network.head(taps, text).patch_logits
        return logits

    def _grids(self, look: Look, reference: Reference | None) -> Tensor:
        if reference is not None:
            logits = anomaly_logits(look.taps, look.text_logits, reference)[:, None]
        elif look.text_logits is not None:
            logits = look.text_logits
        else:
            raise ReferenceMissingError
        return logits.view(*logits.shape[:2], *self.grid[1:])  # (B, taps, h, w)

    def _scored(self, grids: Tensor) -> list[Scored]:
        maps = draw_map(grids, (self.image_size_px, self.image_size_px))
        scores = maps.amax(dim=(1, 2)).cpu().tolist()
        stored = grids.cpu().numpy().astype(np.float16)
        return [Scored(score=score, grid=grid) for score, grid in zip(scores, stored, strict=True)]

    def _check(
        self,
        images: Sequence[NDArray[np.uint8]],
        recipes: Sequence[Recipe],
        references: Sequence[Reference | None] | None,
    ) -> None:
        if len(images) != len(recipes):
            raise ValueError(f"{len(images)} images but {len(recipes)} recipes")
        if references is not None and len(images) != len(references):
            raise ValueError(f"{len(images)} images but {len(references)} references")

    def _check_references(self, references: Sequence[Reference | None]) -> None:
        for reference in references:
            if reference is None:
                if self.needs_reference:
                    raise ReferenceMissingError
            elif reference.checkpoint_hash != self.checkpoint_hash:
                raise CheckpointError(
                    f"the reference is made with checkpoint {reference.checkpoint_hash[:12]}, "
                    f"not with {self.checkpoint_hash[:12]}; build it anew"
                )
            elif (reference.taps_count, reference.width) != (self.grid[0], self._width):
                raise CheckpointError(
                    f"the reference has {reference.taps_count} taps of {reference.width} channels, "
                    f"the checkpoint {self.grid[0]} of {self._width}; build it anew"
                )

    def _autocast(self) -> "torch.autocast | nullcontext[None]":
        if self._precision == "bfloat16":
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()
