"""AVA-DINO: text-routed normal and anomalous adapters on a backbone's tokens.

The published code is reproduced number by number with ``text_stack="interleave"``, which keeps
its view of the two adapted text vectors as one matrix; ``"stack"`` keeps them apart.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspection.model.backbone import Tap

TextStack = Literal["interleave", "stack"]

#: Slope of the adapters' activation below zero.
LEAK = 0.01
#: Softens the routing between the normal and the anomalous adapter.
ROUTING_TEMPERATURE = 0.1
#: Scale of patch or class token against text.
TEXT_SCALE = 100.0
#: Scale of patch against class token.
AWARENESS_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class AvaDinoConfig:
    """The sizes of an AVA-DINO head."""

    #: Channels of the backbone's tokens.
    token_width: int
    #: Channels between the two layers of a token adapter.
    adapter_width: int
    #: Channels of the text embedding.
    text_width: int
    #: Depths of the backbone that are read.
    taps_count: int = 4
    #: How the two adapted text vectors become a matrix of two columns.
    text_stack: TextStack = "stack"


@dataclass(frozen=True, kw_only=True)
class AvaDinoAnswer:
    """What the head says about a batch."""

    #: ``(B, taps, N)`` anomalous minus normal logit of every patch; the anomaly map's grid.
    patch_logits: Tensor
    #: ``(B, taps, N)`` logit of the likeness of patch and class token; a training signal.
    awareness_logits: Tensor
    #: ``(B, 2)`` normal and anomalous logit of the image, mean over the taps; a training signal.
    global_logits: Tensor
    #: ``(B, 2)`` share of the normal and of the anomalous adapter, mean over the taps.
    routing: Tensor


class Adapter(nn.Module):
    """A bottleneck of two linear layers without bias, each followed by a leaky ReLU."""

    def __init__(self, width: int, bottleneck_width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, bottleneck_width, bias=False)
        self.fc2 = nn.Linear(bottleneck_width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the width they came in."""
        hidden = functional.leaky_relu(self.fc1(tokens), LEAK)
        return functional.leaky_relu(self.fc2(hidden), LEAK)


class TextAdapter(nn.Module):
    """One linear layer without bias and a leaky ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, bias=False)

    def forward(self, text: Tensor) -> Tensor:
        """Return text vectors of the width they came in."""
        return functional.leaky_relu(self.fc1(text), LEAK)


class AvaDino(nn.Module):
    """The head of AVA-DINO for any width and number of taps."""

    def __init__(self, config: AvaDinoConfig) -> None:
        super().__init__()
        self.config = config

        def adapters() -> nn.ModuleList:
            return nn.ModuleList(
                Adapter(config.token_width, config.adapter_width) for _ in range(config.taps_count)
            )

        self.cls_token_adapter_normal = adapters()
        self.patch_token_adapter_normal = adapters()
        self.cls_token_adapter_anomaly = adapters()
        self.patch_token_adapter_anomaly = adapters()
        self.prompt_adapter = nn.ModuleList(TextAdapter(config.text_width) for _ in range(2))
        self.text_projection = nn.Linear(config.text_width, config.token_width, bias=False)

    def forward(self, taps: list[Tap], text: Tensor) -> AvaDinoAnswer:
        """Compare the tokens of each tap with the text.

        1. Route: how much does the class token resemble the normal and the anomalous text?
        2. Adapt class and patch tokens by the two adapters in these shares, add the tokens, and
           make them unit vectors.
        3. Multiply with the adapted text and with each other.

        ``text`` is ``(B, text_width, 2)``: unit columns, normal and anomalous.
        """
        plain_text = self._project(text)  # (B, D, 2)
        adapted_text = self._project(self._adapt_text(text))  # (B, D, 2)
        routing, patch_logits, awareness_logits, global_logits = [], [], [], []
        for index, tap in enumerate(taps):
            shares = self._route(tap.cls, plain_text)  # (B, 2)
            cls = self._adapt_cls(index, tap.cls, shares)  # (B, D)
            patches = self._adapt_patches(index, tap.patches, shares)  # (B, N, D)
            by_text = TEXT_SCALE * patches @ adapted_text  # (B, N, 2)
            routing.append(shares)
            patch_logits.append(by_text[..., 1] - by_text[..., 0])
            awareness_logits.append(AWARENESS_SCALE * (patches @ cls[:, :, None])[..., 0])
            global_logits.append(TEXT_SCALE * (cls[:, None, :] @ adapted_text)[:, 0])
        return AvaDinoAnswer(
            patch_logits=torch.stack(patch_logits, dim=1),
            awareness_logits=torch.stack(awareness_logits, dim=1),
            global_logits=torch.stack(global_logits).mean(dim=0),
            routing=torch.stack(routing).mean(dim=0),
        )

    def _project(self, text: Tensor) -> Tensor:
        return cast("Tensor", self.text_projection(text.transpose(1, 2)).transpose(1, 2))

    def _adapt_text(self, text: Tensor) -> Tensor:
        adapted = [adapter(text[..., column]) for column, adapter in enumerate(self.prompt_adapter)]
        if self.config.text_stack == "stack":
            return torch.stack(adapted, dim=-1)
        return torch.cat(adapted, dim=-1).view(len(text), self.config.text_width, 2)

    def _route(self, cls: Tensor, plain_text: Tensor) -> Tensor:
        likeness = functional.cosine_similarity(cls[:, :, None], plain_text, dim=1)
        return (likeness / ROUTING_TEMPERATURE).softmax(dim=-1)

    def _adapt_cls(self, index: int, cls: Tensor, shares: Tensor) -> Tensor:
        normal = self.cls_token_adapter_normal[index](cls)
        anomalous = self.cls_token_adapter_anomaly[index](cls)
        mixed = shares[:, :1] * normal + shares[:, 1:] * anomalous
        return functional.normalize(mixed + cls, dim=-1)

    def _adapt_patches(self, index: int, patches: Tensor, shares: Tensor) -> Tensor:
        normal = self.patch_token_adapter_normal[index](patches)
        anomalous = self.patch_token_adapter_anomaly[index](patches)
        mixed = shares[:, :1, None] * normal + shares[:, 1:, None] * anomalous
        return functional.normalize(mixed + patches, dim=-1)


def draw_map(grid: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Return the anomaly map ``(B, H, W)`` in [0, 1] of a grid ``(B, taps, h, w)`` of logits."""
    drawn = functional.interpolate(grid, size=size_px, mode="bilinear", align_corners=True)
    return drawn.sigmoid().mean(dim=1)


def from_published_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of the published code; the text adapters' unused second layer goes."""
    return {
        name.replace(".fc1.0.", ".fc1.").replace(".fc2.0.", ".fc2."): tensor
        for name, tensor in weights.items()
        if not (name.startswith("prompt_adapter.") and ".fc2." in name)
    }
