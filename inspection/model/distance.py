"""How far a batch of pictures is from a reference, as one logit a patch.

The distance of a patch is the mean over the taps of the logarithms of its distances; the text's
logit is the mean of theirs. Both are measured in the same way, which needs good parts only: 0 is
the worst patch of a usual good part, and -1 a usual patch. Their weighted mean, times a gain, is
the logit. So a map is above one half where a patch is worse than good parts have, and a logarithm
does not saturate: what is twice as far away is still told from what is not.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.model.backbone import Tap
from inspection.model.reference import Reference
from inspection.model.subspace import LEAST_DISTANCE

#: Logit from a usual patch to the worst of a usual good part.
_GAIN = 1.5
#: Weight of the text beside the distance, however many good pictures are known …
_TEXT_WEIGHT = 0.1
#: … and how much more when it is one; the more there are, the less of this.
_FIRST_TEXT_WEIGHT = 0.1


def anomaly_logits(taps: list[Tap], text_logits: Tensor | None, reference: Reference) -> Tensor:
    """Return ``(B, N)`` logits of the patches that a backbone saw.

    ``text_logits`` is ``(B, taps, N)``, or None from a detector without adapters.
    """
    logarithms = [_log_distance(tap, reference, index) for index, tap in enumerate(taps)]
    worst, spread = (float(value) for value in reference.distance[:2])
    found = (torch.stack(logarithms).mean(dim=0) - worst) / spread
    if text_logits is not None and len(reference.text):
        worst, spread = (float(value) for value in reference.text)
        told = (text_logits.mean(dim=1) - worst) / spread
        weight = _TEXT_WEIGHT + _FIRST_TEXT_WEIGHT / reference.images_count
        found = (1 - weight) * found + weight * told
    return _GAIN * found


def _log_distance(tap: Tap, reference: Reference, index: int) -> Tensor:
    """Return ``(B, N)``; the same as `inspection.model.normality.Normality.distances`."""
    device = tap.patches.device
    centred = tap.centred() - _on(reference.mean[index], device)  # (B, N, D)
    within = centred @ _on(reference.directions[index], device)  # (B, N, r)
    whole = centred.square().sum(dim=2) / float(reference.noise[index])
    squared = (whole - within.square().sum(dim=2)) / reference.width
    return squared.clamp_min(LEAST_DISTANCE).log()


def _on(array: NDArray[np.float32] | NDArray[np.float16], device: torch.device) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).to(device)
