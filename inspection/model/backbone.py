"""The visual backbone: a DINOv3 vision transformer read at several depths."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DINOv3ViTConfig, DINOv3ViTModel

#: Added to the standard deviation when patches are standardised, so that a flat image stays finite.
STANDARDISATION_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Tap:
    """What the backbone says at one depth."""

    #: ``(B, D)`` float32, the class token after the final LayerNorm.
    cls: Tensor
    #: ``(B, N, D)`` float32, the patch tokens in rows, standardised per image and channel.
    patches: Tensor
    #: ``(B, 1, D)`` float32, what they were divided by; None when they are read from a file.
    deviation: Tensor | None = None

    def centred(self) -> Tensor:
        """Return ``(B, N, D)``, the patch tokens with their mean subtracted and no more.

        Raises:
            ValueError: it is not known what they were divided by.
        """
        if self.deviation is None:
            raise ValueError("these tokens were standardised elsewhere")
        return self.patches * self.deviation


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """What a backbone's images are normalised with, channel by channel in RGB."""

    #: Subtracted from RGB in [0, 1].
    mean: tuple[float, float, float]
    #: Divides RGB after the mean is subtracted.
    deviation: tuple[float, float, float]


#: Of the weights trained on web pictures (LVD-1689M), and of those trained by this project.
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
#: Of the weights trained on satellite pictures (SAT-493M).
SATELLITE = Normalisation(mean=(0.430, 0.411, 0.296), deviation=(0.213, 0.156, 0.143))


class Backbone(nn.Module):
    """A DINOv3 ViT of any size that answers with the tokens of several blocks.

    The final LayerNorm is applied to every tapped block, register tokens are dropped and patches
    are standardised per image and channel. `normalisation` is that of the images it was trained
    on; whoever prepares images applies it.
    """

    def __init__(
        self,
        config: dict[str, Any],
        tap_blocks: tuple[int, ...] = (),
        normalisation: Normalisation = IMAGENET,
    ) -> None:
        super().__init__()
        self.vit = DINOv3ViTModel(DINOv3ViTConfig(**config))
        depth = self.vit.config.num_hidden_layers
        self.tap_blocks = tap_blocks or quarter_blocks(depth)
        self.normalisation = normalisation

    @property
    def width(self) -> int:
        """Channels of a token."""
        return int(self.vit.config.hidden_size)

    @property
    def patch_size_px(self) -> int:
        """Edge of a patch."""
        return cast("int", self.vit.config.patch_size)

    @property
    def constants(self) -> dict[str, float | int | str | bool]:
        """What decides its answers beside its tensors and their shapes."""
        config = self.vit.config
        return {
            "heads": config.num_attention_heads,
            "hidden_act": config.hidden_act,
            "layer_norm_eps": config.layer_norm_eps,
            "rope_theta": float(config.rope_theta),
        }

    def raw_tokens(self, images: Tensor) -> list[Tensor]:
        """Return, per tap, every token ``(B, 1 + registers + N, D)`` after the final LayerNorm.

        ``images`` is ``(B, 3, H, W)``, normalised with the checkpoint's mean and deviation.
        """
        output = self.vit(pixel_values=images, output_hidden_states=True)
        depth = self.vit.config.num_hidden_layers
        # Releases of transformers disagree on whether the last hidden state is already
        # normalised; ``last_hidden_state`` is in all of them.
        return [
            output.last_hidden_state
            if block == depth - 1
            else self.vit.norm(output.hidden_states[block + 1])
            for block in self.tap_blocks
        ]

    def forward(self, images: Tensor) -> list[Tap]:
        """Return one `Tap` per tapped block for ``(B, 3, H, W)`` normalised images."""
        first_patch = 1 + self.vit.config.num_register_tokens
        taps = []
        for tokens in self.raw_tokens(images):
            patches, deviation = standardised(tokens[:, first_patch:].float())
            taps.append(Tap(cls=tokens[:, 0].float(), patches=patches, deviation=deviation))
        return taps


def quarter_blocks(depth: int) -> tuple[int, ...]:
    """Return the blocks at a quarter, half, three quarters and the end, counted from 0."""
    return tuple(depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4))


def standardise(patches: Tensor) -> Tensor:
    """Return ``(B, N, D)`` patches with mean 0 and deviation 1 per image and channel."""
    return standardised(patches)[0]


def standardised(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same, and what they were divided by: ``(B, 1, D)``."""
    mean = patches.mean(dim=1, keepdim=True)
    divisor = patches.std(dim=1, keepdim=True) + STANDARDISATION_EPSILON
    return (patches - mean) / divisor, divisor


def from_meta_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of Meta's own DINOv3 checkpoint format to those of transformers.

    Left out are the key bias, which the original masks, the rotary periods, which follow from the
    configuration, and what only training uses. A mask token that is missing is made of zeros. A
    tensor of another name keeps it, so that loading complains about it.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.startswith(_META_UNUSED) or name.endswith(".bias_mask"):
            continue
        if name.startswith("blocks."):
            renamed |= _meta_block_tensor(name, tensor)
        else:
            renamed[_META_NAMES.get(name, name)] = tensor
    mask = weights.get("mask_token")
    if mask is None:
        mask = torch.zeros_like(weights["cls_token"])
    renamed["embeddings.mask_token"] = mask.reshape(1, 1, -1)
    return renamed


#: The class token's norm for small crops is in the largest model only, and for training only.
_META_UNUSED = ("rope_embed.", "local_cls_norm.")

_META_NAMES = {
    "cls_token": "embeddings.cls_token",
    "storage_tokens": "embeddings.register_tokens",
    "mask_token": "embeddings.mask_token",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.bias",
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
}

_META_BLOCK_NAMES = {
    "attn.proj": "attention.o_proj",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.fc1": "mlp.up_proj",
    "mlp.fc2": "mlp.down_proj",
    "mlp.w1": "mlp.gate_proj",
    "mlp.w2": "mlp.up_proj",
    "mlp.w3": "mlp.down_proj",
    "norm1": "norm1",
    "norm2": "norm2",
}


def _meta_block_tensor(name: str, tensor: Tensor) -> dict[str, Tensor]:
    _, block, rest = name.split(".", 2)
    prefix = f"model.layer.{block}."
    if rest in ("attn.qkv.weight", "attn.qkv.bias"):
        kind = rest.rsplit(".", 1)[1]
        parts = zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True)
        return {
            f"{prefix}attention.{part}.{kind}": value
            for part, value in parts
            if (part, kind) != ("k_proj", "bias")
        }
    for meta, ours in _META_BLOCK_NAMES.items():
        if rest == meta or rest.startswith(meta + "."):
            return {prefix + ours + rest[len(meta) :]: tensor}
    return {name: tensor}
