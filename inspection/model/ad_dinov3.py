"""AD-DINOv3: adapters in both modalities and an anomaly-aware class token (arXiv 2509.14084).

The published code is reproduced number by number with ``text_stack="interleave"`` and
``linear="first"``: it trains one layer of each adapter. By default both layers are used, as the
paper's figure draws them, and a projection brings the text to the tokens' width; the figure's
residual connection is ``has_residual=True``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspection.errors import ConfigurationError
from inspection.model.backbone import Tap
from inspection.model.head import (
    Adapter,
    HeadAnswer,
    Linear,
    TextAdapters,
    TextStack,
    compare,
)


@dataclass(frozen=True, kw_only=True)
class AdDinov3Config:
    """The sizes of an AD-DINOv3 head, and what of the published code it keeps.

    Raises:
        ConfigurationError: a residual is asked for where widths differ.
    """

    #: Channels of the backbone's tokens.
    token_width: int
    #: Channels of the text embedding, and between the two layers of an adapter.
    text_width: int
    #: Depths of the backbone that are read.
    taps_count: int = 4
    #: How the two adapted text vectors become a matrix of two columns.
    text_stack: TextStack = "stack"
    #: Which layer of the adapters answers; the published code trains the first alone.
    linear: Linear = "second"
    #: Whether adapted tokens are added to the tokens; only with the second layer.
    has_residual: bool = False

    def __post_init__(self) -> None:
        if self.has_residual and self.linear == "first":
            raise ConfigurationError(
                "has_residual needs linear = second: the first layer changes the width of a token"
            )


class AdDinov3(nn.Module):
    """The head of AD-DINOv3 for any width and number of taps."""

    def __init__(self, config: AdDinov3Config) -> None:
        super().__init__()
        self.config = config

        def adapters() -> nn.ModuleList:
            return nn.ModuleList(
                Adapter(config.token_width, config.text_width, config.linear)
                for _ in range(config.taps_count)
            )

        self.cls_token_adapter = adapters()
        self.patch_token_adapter = adapters()
        self.prompt_adapter = TextAdapters(
            config.text_width, linear=config.linear, stack=config.text_stack
        )
        self.text_projection = (
            nn.Linear(config.text_width, config.token_width, bias=False)
            if config.linear == "second"
            else None
        )

    def forward(self, taps: list[Tap], text: Tensor) -> HeadAnswer:
        """Compare the tokens of each tap with the text.

        1. Adapt the text, the class token and the patches; make the tokens unit vectors.
        2. Multiply the patches with the text, which is the anomaly map, and with the class token,
           which training makes aware of the anomaly; multiply the class token with the text.

        ``text`` is ``(B, text_width, 2)``: unit columns, normal and anomalous.
        """
        adapted_text = self.prompt_adapter(text)  # (B, T, 2)
        if self.text_projection is not None:
            adapted_text = self.text_projection(adapted_text.transpose(1, 2)).transpose(1, 2)
        by_tap = [
            compare(
                self._adapt(self.cls_token_adapter[index], tap.cls),
                self._adapt(self.patch_token_adapter[index], tap.patches),
                adapted_text,
            )
            for index, tap in enumerate(taps)
        ]
        patch_logits, awareness_logits, global_logits = zip(*by_tap, strict=True)
        return HeadAnswer(
            patch_logits=torch.stack(patch_logits, dim=1),
            awareness_logits=torch.stack(awareness_logits, dim=1),
            global_logits=torch.stack(global_logits).mean(dim=0),
            routing=None,
        )

    def _adapt(self, adapter: nn.Module, tokens: Tensor) -> Tensor:
        adapted: Tensor = adapter(tokens)
        return functional.normalize(
            adapted + tokens if self.config.has_residual else adapted, dim=-1
        )
