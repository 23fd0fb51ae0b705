"""Every published size is built without memory (on torch's meta device), names and shapes only."""

from typing import Any

import pytest
import timm
import torch

from inspection.model.backbone import Backbone, from_meta_weights
from inspection.model.pretrained.meta import architecture_of, from_timm_weights
from inspection.model.pretrained.tensors import fit

#: Name of the size: timm's name, width, width of the MLP, blocks, heads, whether it is gated.
SIZES = {
    "ViT-S": ("small", 384, 1536, 12, 6, False),
    "ViT-S+": ("small_plus", 384, 1536, 12, 6, True),
    "ViT-B": ("base", 768, 3072, 12, 12, False),
    "ViT-L": ("large", 1024, 4096, 24, 16, False),
    "ViT-H+": ("huge_plus", 1280, 5120, 32, 20, True),
}


def meta_format(width: int, mlp: int, depth: int, *, is_gated: bool) -> dict[str, torch.Tensor]:
    """Return the tensors of Meta's file of a size."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "storage_tokens": (1, 4, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 16, 16),
        "patch_embed.proj.bias": (width,),
        "rope_embed.periods": (16,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    up = ("w1", "w2") if is_gated else ("fc1",)
    down = "w3" if is_gated else "fc2"
    for block in range(depth):
        own: dict[str, tuple[int, ...]] = {
            "norm1.weight": (width,),
            "norm1.bias": (width,),
            "norm2.weight": (width,),
            "norm2.bias": (width,),
            "attn.qkv.weight": (3 * width, width),
            "attn.qkv.bias": (3 * width,),
            "attn.qkv.bias_mask": (3 * width,),
            "attn.proj.weight": (width, width),
            "attn.proj.bias": (width,),
            "ls1.gamma": (width,),
            "ls2.gamma": (width,),
            f"mlp.{down}.weight": (width, mlp),
            f"mlp.{down}.bias": (width,),
        }
        for name in up:
            own |= {f"mlp.{name}.weight": (mlp, width), f"mlp.{name}.bias": (mlp,)}
        shapes |= {f"blocks.{block}.{name}": shape for name, shape in own.items()}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def fitted(weights: dict[str, torch.Tensor], **known: Any) -> dict[str, Any]:
    """Return the configuration that weights fit completely."""
    config = architecture_of(weights, origin="weights", **known)
    with torch.device("meta"):
        backbone = Backbone(config)
    fit(backbone.vit, from_meta_weights(weights), origin="weights")
    return config


@pytest.mark.parametrize("size", SIZES)
def test_metas_tensors_of_every_size_fit_completely(size: str) -> None:
    _, width, mlp, depth, heads, is_gated = SIZES[size]

    config = fitted(meta_format(width, mlp, depth, is_gated=is_gated))

    assert config["num_attention_heads"] == heads
    assert config["hidden_act"] == ("silu" if is_gated else "gelu")


@pytest.mark.parametrize("variant", ["", "_qkvb"])
@pytest.mark.parametrize("size", SIZES)
def test_timms_tensors_of_every_size_fit_completely(size: str, variant: str) -> None:
    name, width, mlp, depth, heads, is_gated = SIZES[size]
    with torch.device("meta"):
        model = timm.create_model(f"vit_{name}_patch16_dinov3{variant}")

    config = fitted(from_timm_weights(model.state_dict()))

    expected = {
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "use_gated_mlp": is_gated,
        "query_bias": bool(variant),
    }
    assert {key: config[key] for key in expected} == expected


def test_heads_follow_from_the_rotary_periods_where_a_file_has_them() -> None:
    weights = meta_format(64, 256, 1, is_gated=False)
    weights["rope_embed.periods"] = torch.empty(8, device="meta")

    assert architecture_of(weights, origin="weights")["num_attention_heads"] == 2


def test_tensors_of_the_largest_size_that_only_training_uses_are_left_out() -> None:
    weights = meta_format(64, 256, 1, is_gated=True)

    fitted(weights | {"local_cls_norm.weight": torch.empty(64, device="meta")})
