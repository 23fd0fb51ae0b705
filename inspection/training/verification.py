"""Verification of a checkpoint: whole, with the parts it was trained with, and able to answer."""

import math
from dataclasses import dataclass

import numpy as np

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError
from inspection.model.checkpoint import load_checkpoint
from inspection.model.checkpoint_folder import resolve_checkpoint
from inspection.model.detector import Detector
from inspection.model.reference import build_reference
from inspection.training.adaptation import STATE_FILE

#: Edge of the picture that is scored.
_PICTURE_PX = 64


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A checkpoint that may be used."""

    content_hash: str
    #: Where the backbone was found.
    backbone: str
    #: Where the text tower was found; None for references alone, which have none.
    text: str | None


def verify(path_or_name: str, *, backbone: str | None, text: str | None) -> Verified:
    """Load a checkpoint with all its parts and let it score a picture.

    Raises:
        CheckpointError: it cannot be used; the sentence says why.
    """
    if (resolve_checkpoint(path_or_name) / STATE_FILE).exists():
        raise CheckpointError(
            f"{path_or_name} is of a training that has not ended; start the training again"
        )
    checkpoint = load_checkpoint(path_or_name, backbone=backbone, text=text)
    detector = Detector(checkpoint, device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (_PICTURE_PX, _PICTURE_PX, 3), dtype=np.uint8)
    # What has no adapters scores beside a reference only: here one of the picture itself.
    reference = None
    if detector.needs_reference:
        reference = build_reference(detector.checkpoint_hash, detector.survey([noise], [Recipe()]))
    scored = detector.score([noise], [Recipe()], [reference])[0]
    if not (math.isfinite(scored.score) and np.isfinite(scored.grid).all()):
        raise CheckpointError(f"{path_or_name} answers with numbers that are not finite")
    tower = checkpoint.config.text
    return Verified(
        content_hash=checkpoint.content_hash,
        backbone=backbone or checkpoint.config.backbone.source,
        text=None if tower is None else text or tower.source,
    )
