"""What training minimises: the losses of both methods as their codes compute them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inspection.model.head import HeadAnswer, draw_map

#: Keeps the logarithm of the focal loss finite.
FOCAL_SMOOTHING = 1e-5
#: Focal loss: how much less an already well judged pixel counts.
FOCAL_GAMMA = 2
#: Dice: keeps an empty mask from dividing by zero.
DICE_SMOOTHING = 1.0

#: Shares of the four terms in the sum.
AWARENESS_WEIGHT = 0.25
SEGMENTATION_WEIGHT = 0.5
GLOBAL_WEIGHT = 0.25
ROUTING_WEIGHT = 0.1


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The terms of the objective, each a scalar."""

    #: Focal + Dice of the awareness map.
    awareness: Tensor
    #: Focal + Dice of the anomaly map.
    segmentation: Tensor
    #: Cross entropy of the image's logits.
    image: Tensor
    #: Squared distance of the routing from the label; 0 for a method without routing.
    routing: Tensor

    @property
    def total(self) -> Tensor:
        """Return the weighted sum that is minimised."""
        return (
            AWARENESS_WEIGHT * self.awareness
            + SEGMENTATION_WEIGHT * self.segmentation
            + GLOBAL_WEIGHT * self.image
            + ROUTING_WEIGHT * self.routing
        )


def losses(
    answer: HeadAnswer, masks: Tensor, labels: Tensor, grid_shape: tuple[int, int]
) -> Losses:
    """Compare a head's answer with the truth.

    ``masks`` is ``(B, H, W)`` with 1 on defects and sets the resolution of the maps, ``labels``
    ``(B,)`` int64 with 1 for anomalous; ``grid_shape`` is the patch grid ``(h, w)``.
    """
    size_px = (masks.shape[-2], masks.shape[-1])
    shape = (*answer.patch_logits.shape[:2], *grid_shape)
    anomaly_map = draw_map(answer.patch_logits.reshape(shape), size_px)
    awareness_map = draw_map(answer.awareness_logits.reshape(shape), size_px)
    return Losses(
        awareness=focal(awareness_map, masks) + dice(awareness_map, masks),
        segmentation=focal(anomaly_map, masks) + dice(anomaly_map, masks),
        image=functional.cross_entropy(answer.global_logits, labels),
        routing=_routing(answer.routing, labels),
    )


def _routing(routing: Tensor | None, labels: Tensor) -> Tensor:
    if routing is None:
        return torch.zeros((), device=labels.device)
    wanted = torch.stack([1 - labels, labels], dim=1).to(routing.dtype)
    return ((routing - wanted) ** 2).mean(dim=0).sum()


def focal(anomaly_map: Tensor, masks: Tensor) -> Tensor:
    """Return the focal loss of a map in [0, 1] against masks of 0 and 1, mean over all pixels."""
    target = masks.clamp(FOCAL_SMOOTHING, 1 - FOCAL_SMOOTHING)
    truth_share = target * anomaly_map + (1 - target) * (1 - anomaly_map) + FOCAL_SMOOTHING
    return (-((1 - truth_share) ** FOCAL_GAMMA) * truth_share.log()).mean()


def dice(anomaly_map: Tensor, masks: Tensor) -> Tensor:
    """Return the soft Dice loss of a map in [0, 1] against masks, per image, then the mean."""
    overlap = (anomaly_map * masks).flatten(1).sum(dim=1)
    area = anomaly_map.flatten(1).sum(dim=1) + masks.flatten(1).sum(dim=1)
    return (1 - (2 * overlap + DICE_SMOOTHING) / (area + DICE_SMOOTHING)).mean()
