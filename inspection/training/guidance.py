"""What a backbone without any training needs beside the methods' own losses.

Each term says on every patch what the published losses say on whole maps only: which patches are
defective, that naming a defect raises its patches and no others, and that a patch is good when a
good picture of the same product has one like it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspection.model.head import HeadAnswer

#: A patch counts as defective when more of it than this is covered, and as good when none is.
COVERED_SHARE = 0.06
#: How much more a defective patch counts than a good one.
DEFECTIVE_PATCH_WEIGHT = 4.0
#: The image's score is taken from so many of its worst patches.
WORST_PATCHES_COUNT = 2
#: By so much naming a defect is to raise the logit of its patches.
NAMED_MARGIN = 1.5
#: Softens the choice of the most alike reference patch.
LIKENESS_TEMPERATURE = 0.05


@dataclass(frozen=True, kw_only=True)
class PatchTruth:
    """What is known of a batch's patches."""

    #: ``(B, N)`` 1 for defective, 0 for good.
    target: Tensor
    #: ``(B, N)`` how much a patch counts; 0 where a defect merely touches it.
    weight: Tensor


def patch_truth(masks: Tensor, grid_shape: tuple[int, int]) -> PatchTruth:
    """Return the truth of every patch for ``(B, H, W)`` masks of 0 and 1."""
    covered = functional.adaptive_avg_pool2d(masks[:, None], grid_shape).flatten(1)
    target = (covered > COVERED_SHARE).float()
    weight = torch.where(target > 0, DEFECTIVE_PATCH_WEIGHT, (covered == 0).float())
    return PatchTruth(target=target, weight=weight)


def patch_guidance(answer: HeadAnswer, truth: PatchTruth) -> Tensor:
    """Return the cross entropy of every tap's patches."""
    return _cross_entropy(answer.patch_logits, truth)


def score_guidance(answer: HeadAnswer, labels: Tensor) -> Tensor:
    """Return the cross entropy of the anomaly score, which is the worst of the anomaly map."""
    patches = answer.patch_logits.sigmoid().mean(dim=1)  # (B, N)
    worst = patches.topk(WORST_PATCHES_COUNT, dim=1).values.mean(dim=1)
    return functional.binary_cross_entropy(worst.clamp(1e-4, 1 - 1e-4), labels.float())


def word_guidance(general: HeadAnswer, named: HeadAnswer, is_named: Tensor) -> Tensor:
    """Return how far naming a defect is from raising its patches, and its patches alone.

    `general` and `named` are answers about the same pictures, without and with a defect in the
    words; ``is_named`` is ``(B, N)``, 1 on patches that show the defect named.
    """
    raised = named.patch_logits - general.patch_logits  # (B, taps, N)
    there = is_named[:, None].expand_as(raised)
    wanted = (there * functional.softplus(NAMED_MARGIN - raised)).sum() / there.sum().clamp_min(1)
    elsewhere = ((1 - there) * functional.relu(raised) ** 2).sum() / (1 - there).sum().clamp_min(1)
    return wanted + elsewhere


class ReferenceGuidance(nn.Module):
    """Teaches the taps to tell defects by comparison with a good picture; thrown away later."""

    def __init__(self, taps_count: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((taps_count,), 8.0))
        self.offset = nn.Parameter(torch.full((taps_count,), 2.0))

    def forward(self, tokens: list[Tensor], truth: PatchTruth) -> Tensor:
        """Return the cross entropy of every patch's distance from its picture's reference.

        `tokens` are each tap's patches ``(B, N, D)``, pictures in pairs of a good and a defective
        one of the same part: each is compared with the good one's.
        """
        logits = [
            self.scale[tap] * _distance(patches) - self.offset[tap]
            for tap, patches in enumerate(tokens)
        ]
        defective = PatchTruth(target=truth.target[1::2], weight=truth.weight[1::2])
        return _cross_entropy(torch.stack(logits, dim=1), defective)


def _distance(patches: Tensor) -> Tensor:
    """Return ``(B / 2, N)``: 1 - the likeness of a defective picture's patch to the most alike."""
    unit = functional.normalize(patches.float(), dim=-1)
    likeness = unit[1::2] @ unit[::2].transpose(1, 2)  # (B / 2, N, N)
    soft = (likeness / LIKENESS_TEMPERATURE).logsumexp(dim=-1) * LIKENESS_TEMPERATURE
    return 1 - soft


def _cross_entropy(logits: Tensor, truth: PatchTruth) -> Tensor:
    """Return the weighted mean over ``(B, taps, N)`` logits."""
    target = truth.target[:, None].expand_as(logits)
    weight = truth.weight[:, None].expand_as(logits)
    summed = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
    return summed / weight.sum().clamp_min(1)
