"""DINOv3 in Meta's own format and in timm's: the network's sizes and its tensors' names.

Meta's file is a plain dictionary of tensors, without a configuration; the sizes follow from the
shapes. timm keeps Meta's names but for a few, which are changed back first.
"""

from typing import Any

import torch
from torch import Tensor

from inspection.errors import CheckpointError

#: Channels of an attention head in all published sizes but the largest.
_HEAD_WIDTH = 64
#: Heads of the 7B model, by its width.
_HEADS_BY_WIDTH = {4096: 32}
#: Rotary periods are kept for each of the two axes' sines and cosines.
_PERIODS_SHARE = 4

#: timm's parts of a block, as Meta calls them; of a gated MLP those further down.
_TIMM_PARTS = {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
_TIMM_GATED_PARTS = {
    "mlp.fc1_g.weight": "mlp.w1.weight",
    "mlp.fc1_g.bias": "mlp.w1.bias",
    "mlp.fc1_x.weight": "mlp.w2.weight",
    "mlp.fc1_x.bias": "mlp.w2.bias",
    "mlp.fc2.weight": "mlp.w3.weight",
    "mlp.fc2.bias": "mlp.w3.bias",
}


def architecture_of(
    weights: dict[str, Tensor], *, origin: str, heads: int | None = None
) -> dict[str, Any]:
    """Return the DINOv3 configuration that tensors in Meta's format belong to.

    A SwiGLU MLP is known by its three matrices. The number of heads is `heads` where it is known,
    else it follows from the rotary periods, and without those from the width: published heads
    have 64 channels, the 7B model's 128. `origin` names in messages where the tensors come from.

    Raises:
        CheckpointError: the tensors are not those of a DINOv3 vision transformer.
    """
    is_gated = "blocks.0.mlp.w1.weight" in weights
    mlp = "blocks.0.mlp.w1.weight" if is_gated else "blocks.0.mlp.fc1.weight"
    needed = ("cls_token", "storage_tokens", "patch_embed.proj.weight", mlp)
    lacking = [name for name in needed if name not in weights]
    if lacking:
        raise CheckpointError(
            f"{origin} is no DINOv3 vision transformer from ViT-S to ViT-H+: "
            f"it has no tensor {lacking[0]}"
        )
    width = weights["cls_token"].shape[-1]
    blocks = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
    has_bias = "blocks.0.attn.qkv.bias" in weights
    return {
        "hidden_size": width,
        "intermediate_size": weights[mlp].shape[0],
        "num_hidden_layers": len(blocks),
        "num_attention_heads": heads or _heads(weights, width),
        "num_register_tokens": weights["storage_tokens"].shape[1],
        "patch_size": weights["patch_embed.proj.weight"].shape[-1],
        "use_gated_mlp": is_gated,
        "hidden_act": "silu" if is_gated else "gelu",
        "query_bias": has_bias,
        "value_bias": has_bias,
    }


def from_timm_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename timm's DINOv3 tensors to Meta's.

    Some of timm's repositories leave out the query and value biases, which are zero there.
    """
    is_gated = "blocks.0.mlp.fc1_g.weight" in weights
    parts = _TIMM_PARTS | (_TIMM_GATED_PARTS if is_gated else {})
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.startswith("blocks."):
            _, block, rest = name.split(".", 2)
            renamed[f"blocks.{block}.{parts.get(rest, rest)}"] = tensor
        else:
            renamed["storage_tokens" if name == "reg_token" else name] = tensor
    for name in [name for name in renamed if name.endswith(".attn.q_bias")]:
        prefix = name.removesuffix("q_bias")
        query, value = renamed.pop(name), renamed.pop(f"{prefix}v_bias", None)
        if value is not None:
            renamed[f"{prefix}qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    return renamed


def _heads(weights: dict[str, Tensor], width: int) -> int:
    periods = weights.get("rope_embed.periods")
    if periods is not None:
        return int(width // (_PERIODS_SHARE * len(periods)))
    return _HEADS_BY_WIDTH.get(width, width // _HEAD_WIDTH)
