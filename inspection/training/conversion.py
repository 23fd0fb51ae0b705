"""Conversion of adapters that the published codes have trained into checkpoint folders."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inspection.errors import CheckpointError, ConfigurationError
from inspection.model.checkpoint import CheckpointConfig, claim, save_card, save_checkpoint
from inspection.model.checkpoint_folder import Reference
from inspection.model.fingerprint import fingerprint
from inspection.model.head import from_published_weights
from inspection.model.methods import PUBLISHED, Head, head_config, make_head
from inspection.model.pretrained.backbone import open_backbone
from inspection.model.pretrained.tensors import unpickle
from inspection.model.pretrained.text import open_text_tower


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What is to be converted, and what it belongs to."""

    #: A file `epoch_N.pth` or `N.pth` of either published code.
    file: Path
    name: str
    #: The backbone and the text tower it was trained with; see `open_backbone`.
    backbone: str
    text: str
    #: Edge of the square image it was trained on; 512 in both codes.
    image_size_px: int = 512


def convert(conversion: Conversion, out: Path) -> str:
    """Write the checkpoint folder `out` and return its content hash.

    The file is read as tensors alone; code in it is not run.

    Raises:
        CheckpointError: it is no file of either code, does not fit backbone and text tower, or
            `out` holds a checkpoint.
    """
    weights = _read(conversion.file)
    backbone = open_backbone(conversion.backbone, folder=Path.cwd())
    tower = open_text_tower(conversion.text, folder=Path.cwd())
    head = _head(
        weights,
        conversion.file,
        token_width=backbone.width,
        text_width=tower.config.output_width,
    )
    config = CheckpointConfig(
        name=conversion.name,
        image_size_px=conversion.image_size_px,
        backbone=Reference(source=conversion.backbone, fingerprint=fingerprint(backbone)),
        text=Reference(source=conversion.text, fingerprint=fingerprint(tower)),
        head=head.config,
        tap_blocks=backbone.tap_blocks,
    )
    claim(out)
    # Exactly: rounded to half precision, the answers would be others than the published ones.
    content_hash = save_checkpoint(out, config, head, card="", precision=torch.float32)
    save_card(
        out,
        f"# {conversion.name}\n\nConverted from `{conversion.file.name}` of the published code. "
        "What it was trained on, and under what terms it may be used, only its maker knows.\n\n"
        f"* Content hash: `{content_hash}`\n",
    )
    return content_hash


def _read(file: Path) -> dict[str, Tensor]:
    saved = unpickle(file)
    if isinstance(saved, dict):
        # A module's tensors under its name, beside the number of the epoch.
        parts = {name: part for name, part in saved.items() if isinstance(part, dict)}
        weights = {
            f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()
        }
        if any(name.startswith("prompt_adapter.") for name in weights):
            return weights
    raise CheckpointError(
        f"{file} holds no adapters of AD-DINOv3 or AVA-DINO: take the file that their train.py "
        "writes after an epoch"
    )


def _head(weights: dict[str, Tensor], file: Path, *, token_width: int, text_width: int) -> Head:
    method = "ava-dino" if "text_projection.weight" in weights else "ad-dinov3"
    parts = {name.split(".")[0] for name in weights}
    taps = {name.split(".")[1] for name in weights if name.startswith("cls_token_adapter")}
    values = dict(PUBLISHED[method])
    if method == "ava-dino":
        first = weights.get("cls_token_adapter_normal.0.fc1.0.weight")
        values["adapter_width"] = 0 if first is None else len(first)
    try:
        head = make_head(
            head_config(
                method,
                token_width=token_width,
                text_width=text_width,
                taps_count=len(taps),
                values=values,
            )
        )
        head.load_state_dict(from_published_weights(weights))
    except (RuntimeError, ConfigurationError) as error:
        raise CheckpointError(
            f"{file} holds {', '.join(sorted(parts))}, which fit no head of {method} on tokens of "
            f"width {token_width} and text of width {text_width}: {error}"
        ) from error
    return head
