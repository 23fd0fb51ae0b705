"""Files as the published codes write them, for the tiny detector, with random weights."""

from pathlib import Path

import torch
from torch import Tensor

PARTS = {
    "ava-dino": (
        "cls_token_adapter_normal",
        "cls_token_adapter_anomaly",
        "patch_token_adapter_normal",
        "patch_token_adapter_anomaly",
    ),
    "ad-dinov3": ("cls_token_adapter", "patch_token_adapter"),
}
#: Channels of the tiny detector's tokens and texts, and of an AVA-DINO adapter in between.
TOKENS, TEXT, BETWEEN = 32, 24, 20


def published_file(folder: Path, method: str, *, tokens: int = TOKENS) -> Path:
    """Write what the published train.py writes: a state a part, and the epoch's number."""
    between = BETWEEN if method == "ava-dino" else TEXT

    def adapter(width: int, inner: int) -> dict[str, Tensor]:
        return {
            "fc1.0.weight": torch.randn(inner, width),
            "fc2.0.weight": torch.randn(width, inner),
        }

    def several(count: int, width: int, inner: int) -> dict[str, Tensor]:
        return {
            f"{index}.{name}": tensor
            for index in range(count)
            for name, tensor in adapter(width, inner).items()
        }

    saved: dict[str, object] = {part: several(4, tokens, between) for part in PARTS[method]}
    saved["prompt_adapter"] = several(2, TEXT, TEXT)
    if method == "ava-dino":
        saved |= {"epoch": 9, "text_projection": {"weight": torch.randn(tokens, TEXT)}}
    torch.save(saved, folder / "epoch_9.pth")
    return folder / "epoch_9.pth"
