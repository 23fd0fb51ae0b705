from pathlib import Path

import numpy as np
import pytest
import torch

from inspection.model.backbone import (
    Backbone,
    Tap,
    from_meta_weights,
    quarter_blocks,
    standardise,
    standardised,
)

REFERENCE_CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "num_register_tokens": 4,
    "pos_embed_rescale": None,
}


def test_backbone_answers_what_metas_own_code_answers(reference_dir: Path) -> None:
    blocks = (0, 2, 3, 5)
    expected = np.load(reference_dir / "dinov3-tiny.npz")
    backbone = Backbone(REFERENCE_CONFIG, blocks).eval()
    weights = torch.load(reference_dir / "dinov3-tiny-meta-format.pth", weights_only=True)
    backbone.vit.load_state_dict(from_meta_weights(weights))

    with torch.inference_mode():
        tapped = backbone.raw_tokens(torch.from_numpy(expected["image"]))

    for tokens, block in zip(tapped, blocks, strict=True):
        np.testing.assert_allclose(tokens[:, 0], expected[f"cls.{block}"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(tokens[:, 5:], expected[f"patches.{block}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("is_gated", [False, True])
def test_backbone_answers_what_its_blocks_answer_one_after_another(is_gated: bool) -> None:
    """The release of transformers normalises what it should, where the block list is."""
    torch.manual_seed(3)
    activation = "silu" if is_gated else "gelu"
    config = REFERENCE_CONFIG | {"use_gated_mlp": is_gated, "hidden_act": activation}
    backbone = Backbone(config, (0, 4, 5)).eval()
    vit = backbone.vit
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    images = torch.randn(1, 3, 48, 64)

    with torch.inference_mode():
        tokens, positions = vit.embeddings(images), vit.rope_embeddings(images)
        after = []
        for block in vit.model.layer:
            tokens = block(tokens, position_embeddings=positions)
            after.append(vit.norm(tokens))
        tapped = backbone.raw_tokens(images)

    for found, block_index in zip(tapped, backbone.tap_blocks, strict=True):
        torch.testing.assert_close(found, after[block_index])


def test_backbone_gives_one_patch_row_for_each_patch_and_no_registers() -> None:
    backbone = Backbone(REFERENCE_CONFIG).eval()

    with torch.inference_mode():
        taps = backbone(torch.randn(2, 3, 48, 64))

    assert [tuple(tap.cls.shape) for tap in taps] == [(2, 64)] * 4
    assert [tuple(tap.patches.shape) for tap in taps] == [(2, 12, 64)] * 4


@pytest.mark.parametrize(
    ("depth", "blocks"), [(24, (5, 11, 17, 23)), (12, (2, 5, 8, 11)), (8, (1, 3, 5, 7))]
)
def test_quarter_blocks_are_those_of_the_published_methods(
    depth: int, blocks: tuple[int, ...]
) -> None:
    assert quarter_blocks(depth) == blocks


def test_standardise_leaves_mean_zero_and_deviation_one_per_image_and_channel() -> None:
    patches = torch.randn(2, 30, 5) * 7 + 3

    found = standardise(patches)

    assert found.mean(dim=1).abs().max() < 1e-5
    assert (found.std(dim=1) - 1).abs().max() < 1e-5


def test_standardise_stays_finite_when_the_image_is_flat() -> None:
    assert standardise(torch.ones(1, 9, 4)).abs().max() == 0


def test_meta_weights_without_a_mask_token_get_one_of_zeros(reference_dir: Path) -> None:
    weights = torch.load(reference_dir / "dinov3-tiny-meta-format.pth", weights_only=True)
    del weights["mask_token"]

    renamed = from_meta_weights(weights)

    assert renamed["embeddings.mask_token"].shape == (1, 1, 64)
    assert not renamed["embeddings.mask_token"].any()


def test_meta_weights_of_an_unknown_name_keep_it() -> None:
    weights = {"cls_token": torch.ones(1, 1, 4), "blocks.0.gate": torch.ones(1)}

    assert "blocks.0.gate" in from_meta_weights(weights)


def test_tap_gives_back_its_patches_with_their_mean_subtracted_only() -> None:
    patches = torch.randn(2, 9, 4) * 3 + 5
    found, divisor = standardised(patches)
    tap = Tap(cls=patches[:, 0], patches=found, deviation=divisor)

    assert torch.allclose(tap.centred(), patches - patches.mean(dim=1, keepdim=True), atol=1e-5)


def test_tap_cannot_give_them_back_when_it_was_read_from_a_file() -> None:
    tap = Tap(cls=torch.ones(1, 4), patches=torch.ones(1, 9, 4))

    with pytest.raises(ValueError, match="standardised elsewhere"):
        tap.centred()
