"""The head: what both methods build from, and how they answer.

A head compares a backbone's tokens with the text of a product. Its answer is a grid of logits, of
which `draw_map` makes the anomaly map.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

TextStack = Literal["interleave", "stack"]
Linear = Literal["first", "second"]

#: Slope of the adapters' activation below zero.
LEAK = 0.01
#: Scale of patch or class token against text.
TEXT_SCALE = 100.0
#: Scale of patch against class token.
AWARENESS_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class HeadAnswer:
    """What a head says about a batch."""

    #: ``(B, taps, N)`` anomalous minus normal logit of every patch; the anomaly map's grid.
    patch_logits: Tensor
    #: ``(B, taps, N)`` logit of the likeness of patch and class token; a training signal.
    awareness_logits: Tensor
    #: ``(B, 2)`` normal and anomalous logit of the image, mean over the taps; a training signal.
    global_logits: Tensor
    #: ``(B, 2)`` share of the normal and of the anomalous adapter, mean over the taps; None for a
    #: method without routing.
    routing: Tensor | None


class Adapter(nn.Module):
    """A bottleneck of two linear layers without bias, each followed by a leaky ReLU.

    With ``linear="first"`` there is only the first of them: the bottleneck is the answer.
    """

    def __init__(self, width: int, bottleneck_width: int, linear: Linear = "second") -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, bottleneck_width, bias=False)
        self.fc2 = nn.Linear(bottleneck_width, width, bias=False) if linear == "second" else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``(…, width)``, or ``(…, bottleneck_width)`` of the first layer alone."""
        hidden = functional.leaky_relu(self.fc1(tokens), LEAK)
        if self.fc2 is None:
            return hidden
        return functional.leaky_relu(self.fc2(hidden), LEAK)


class TextAdapters(nn.ModuleList):
    """The adapters of the normal and of the anomalous text."""

    def __init__(self, width: int, *, linear: Linear, stack: TextStack) -> None:
        super().__init__(Adapter(width, width, linear) for _ in range(2))
        self._stack = stack

    def forward(self, text: Tensor) -> Tensor:
        """Return ``(B, width, 2)`` adapted columns for ``(B, width, 2)``.

        The published codes put the two adapted vectors end to end and view them as ``(width, 2)``,
        so that each column holds half of both: ``interleave``. ``stack`` keeps them apart.
        """
        adapted = [adapter(text[..., column]) for column, adapter in enumerate(self)]
        if self._stack == "stack":
            return torch.stack(adapted, dim=-1)
        return torch.cat(adapted, dim=-1).view(text.shape)


def compare(cls: Tensor, patches: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return patch logits ``(B, N)``, awareness logits ``(B, N)`` and global logits ``(B, 2)``.

    ``cls`` is ``(B, D)`` and ``patches`` ``(B, N, D)``, unit vectors; ``text`` is ``(B, D, 2)``.
    """
    # In float32 also where the adapters compute in half precision: logits are differences of
    # numbers a hundred times as large.
    with torch.autocast(patches.device.type, enabled=False):
        cls, patches, text = cls.float(), patches.float(), text.float()
        by_text = TEXT_SCALE * patches @ text  # (B, N, 2)
        awareness = AWARENESS_SCALE * (patches @ cls[:, :, None])[..., 0]
        by_cls = TEXT_SCALE * (cls[:, None] @ text)[:, 0]
    return by_text[..., 1] - by_text[..., 0], awareness, by_cls


def draw_map(grid: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Return the anomaly map ``(B, H, W)`` in [0, 1] of a grid ``(B, taps, h, w)`` of logits."""
    drawn = functional.interpolate(grid, size=size_px, mode="bilinear", align_corners=True)
    return drawn.sigmoid().mean(dim=1)


def from_published_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a published head; second layers that never took part in it go.

    In AD-DINOv3 those are all of them, in AVA-DINO the text adapters'.
    """
    is_routed = any(name.startswith("cls_token_adapter_normal.") for name in weights)
    return {
        name.replace(".fc1.0.", ".fc1.").replace(".fc2.0.", ".fc2."): tensor
        for name, tensor in weights.items()
        if ".fc2." not in name or (is_routed and not name.startswith("prompt_adapter."))
    }
