"""Verification of a checkpoint: whole, with the parts it was trained with, and able to answer."""

import math
from dataclasses import dataclass

import numpy as np

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError
from inspection.model.checkpoint import load_checkpoint
from inspection.model.checkpoint_folder import resolve_checkpoint
from inspection.model.detector import Detector
from inspection.training.adaptation import STATE_FILE

#: Edge of the picture that is scored.
_PICTURE_PX = 64


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A checkpoint that may be used."""

    content_hash: str
    #: Where backbone and text tower were found.
    backbone: str
    text: str


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
    scored = detector.score([noise], [Recipe()])[0]
    if not (math.isfinite(scored.score) and np.isfinite(scored.grid).all()):
        raise CheckpointError(f"{path_or_name} answers with numbers that are not finite")
    return Verified(
        content_hash=checkpoint.content_hash,
        backbone=backbone or checkpoint.config.backbone.source,
        text=text or checkpoint.config.text.source,
    )
