import pytest
import torch

from inspection.model.head import HeadAnswer
from inspection.training.guidance import (
    ReferenceGuidance,
    patch_guidance,
    patch_truth,
    score_guidance,
    word_guidance,
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
    """Masks of a good and of a defective picture, and the logits that know it all."""
    masks = torch.zeros(2, 32, 32)
    masks[1, 8:16, 16:24] = 1
    logits = torch.full((2, 3, 16), -20.0)
    logits[1, :, 6] = 20.0
    return masks, logits


def test_patch_guidance_leaves_out_patches_that_a_defect_merely_touches() -> None:
    masks, logits = one_defective_patch()
    masks[0, 0, 0] = 1  # a sixty-fourth of the first patch
    logits[0, :, 0] = 50.0

    assert patch_guidance(answer(logits), patch_truth(masks, GRID)) == pytest.approx(0, abs=1e-6)


def test_patch_guidance_is_large_when_a_good_patch_is_called_defective() -> None:
    masks, logits = one_defective_patch()
    logits[0, :, 3] = 20.0

    assert patch_guidance(answer(logits), patch_truth(masks, GRID)) > 0.5


def test_score_guidance_is_large_when_one_patch_of_a_good_image_is_called_defective() -> None:
    _, logits = one_defective_patch()
    quiet = score_guidance(answer(logits), torch.tensor([0, 0]))
    logits[0] = logits[1]

    assert score_guidance(answer(logits), torch.tensor([0, 0])) > quiet


def test_word_guidance_asks_a_name_to_raise_its_own_patches_and_no_others() -> None:
    masks, logits = one_defective_patch()
    is_named = patch_truth(masks, GRID).target
    raised, everywhere = logits.clone(), logits + 3
    raised[1, :, 6] += 3

    right = word_guidance(answer(logits), answer(raised), is_named)

    assert right < word_guidance(answer(logits), answer(logits), is_named)
    assert right < word_guidance(answer(logits), answer(everywhere), is_named)


def test_reference_guidance_is_small_when_only_defective_patches_have_none_like_them() -> None:
    masks, _ = one_defective_patch()
    truth = patch_truth(masks, GRID)
    good = torch.eye(16)[None]
    told, untold = good.clone(), good.clone()
    told[0, 6] = -told[0, 6]
    guidance = ReferenceGuidance(1)

    assert guidance([torch.cat([good, told])], truth) < guidance([torch.cat([good, untold])], truth)
