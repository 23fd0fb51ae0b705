"""AVA-DINO: text-routed normal and anomalous adapters on a backbone's tokens (arXiv 2605.12069).

The published code is reproduced number by number with ``text_stack="interleave"`` and
``routing="per-tap"``.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspection.model.backbone import Tap
from inspection.model.head import (
    Adapter,
    HeadAnswer,
    Linear,
    TextAdapters,
    TextStack,
    compare,
)

#: Softens the routing between the normal and the anomalous adapter.
ROUTING_TEMPERATURE = 0.1


@dataclass(frozen=True, kw_only=True)
class AvaDinoConfig:
    """The sizes of an AVA-DINO head, and what of the published code it keeps."""

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
    #: Which layer of a text adapter answers; the published code trains the first.
    text_linear: Linear = "first"
    #: Whether each tap's own class token routes it, as the published code does, or the last one
    #: all of them, as the paper's formula reads.
    routing: Literal["per-tap", "last-tap"] = "per-tap"


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
        self.prompt_adapter = TextAdapters(
            config.text_width, linear=config.text_linear, stack=config.text_stack
        )
        self.text_projection = nn.Linear(config.text_width, config.token_width, bias=False)

    def forward(self, taps: list[Tap], text: Tensor) -> HeadAnswer:
        """Compare the tokens of each tap with the text.

        1. Route: how much does the class token resemble the normal and the anomalous text?
        2. Adapt class and patch tokens by the two adapters in these shares, add the tokens, and
           make them unit vectors.
        3. Multiply with the adapted text and with each other.

        ``text`` is ``(B, text_width, 2)``: unit columns, normal and anomalous.
        """
        plain_text = self._project(text)  # (B, D, 2)
        adapted_text = self._project(self.prompt_adapter(text))  # (B, D, 2)
        by_tap, routing = [], []
        for index, tap in enumerate(taps):
            routed_by = tap if self.config.routing == "per-tap" else taps[-1]
            shares = self._route(routed_by.cls, plain_text)  # (B, 2)
            cls = self._adapt_cls(index, tap.cls, shares)  # (B, D)
            patches = self._adapt_patches(index, tap.patches, shares)  # (B, N, D)
            by_tap.append(compare(cls, patches, adapted_text))
            routing.append(shares)
        patch_logits, awareness_logits, global_logits = zip(*by_tap, strict=True)
        return HeadAnswer(
            patch_logits=torch.stack(patch_logits, dim=1),
            awareness_logits=torch.stack(awareness_logits, dim=1),
            global_logits=torch.stack(global_logits).mean(dim=0),
            routing=torch.stack(routing).mean(dim=0),
        )

    def _project(self, text: Tensor) -> Tensor:
        return cast("Tensor", self.text_projection(text.transpose(1, 2)).transpose(1, 2))

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
