import pytest
import torch

from inspection.model.head import HeadAnswer
from inspection.training.objective import (
    Losses,
    dice,
    focal,
    losses,
)

GRID = (4, 4)


def answer(patch_logits: torch.Tensor) -> HeadAnswer:
    count = len(patch_logits)
    return HeadAnswer(
        patch_logits=patch_logits,
        awareness_logits=patch_logits,
        global_logits=torch.zeros(count, 2),
        routing=torch.full((count, 2), 0.5),
    )


def one_defective_patch() -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of a good and of a defective image, and the logits that know it all."""
    masks = torch.zeros(2, 16, 16)
    masks[1, 4:8, 8:12] = 1
    logits = torch.full((2, 3, 16), -20.0)
    logits[1, :, 6] = 20.0
    return masks, logits


def test_dice_is_zero_for_a_perfect_map_and_near_one_for_the_opposite() -> None:
    masks, _ = one_defective_patch()

    assert dice(masks, masks) == pytest.approx(0, abs=1e-6)
    assert dice(1 - masks, masks) > 0.9


def test_focal_counts_a_well_judged_pixel_less_than_a_badly_judged_one() -> None:
    mask = torch.ones(1, 4, 4)

    assert focal(torch.full_like(mask, 0.9), mask) < 0.01
    assert focal(torch.full_like(mask, 0.1), mask) > 1


def test_total_weighs_the_terms_as_the_published_code_does() -> None:
    terms = Losses(
        awareness=torch.tensor(1.0),
        segmentation=torch.tensor(10.0),
        image=torch.tensor(100.0),
        routing=torch.tensor(1000.0),
    )

    assert terms.total == pytest.approx(0.25 + 5 + 25 + 100)


def test_losses_are_smaller_for_the_better_answer() -> None:
    masks, right = one_defective_patch()
    labels = torch.tensor([0, 1])

    better = losses(answer(right), masks, labels, GRID)
    worse = losses(answer(-right), masks, labels, GRID)

    assert better.segmentation < worse.segmentation
    assert better.total < worse.total
