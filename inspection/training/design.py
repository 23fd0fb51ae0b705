"""The design of a detector that is trained from nothing: the sizes of all its parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspection.model.backbone import Backbone
from inspection.model.checkpoint import CheckpointConfig, Network, save_checkpoint
from inspection.model.checkpoint_folder import Reference
from inspection.model.fingerprint import fingerprint
from inspection.model.methods import HeadConfig, make_head
from inspection.model.pretrained.backbone import open_backbone, save_backbone
from inspection.model.pretrained.text import open_text_tower, save_text_tower
from inspection.model.text import TextTower, TextTowerConfig

#: Where a checkpoint trained from nothing keeps what others only refer to.
_BACKBONE_SOURCE = "./backbone"
_TEXT_SOURCE = "./text"


@dataclass(frozen=True, kw_only=True)
class Design:
    """Sizes that make a network."""

    #: Name for people, for example `pocket`.
    name: str
    #: Edge of the square image that the backbone sees.
    image_size_px: int
    #: Arguments of transformers' DINOv3 configuration.
    backbone: dict[str, Any]
    #: Blocks of the backbone that are read, counted from 0.
    tap_blocks: tuple[int, ...]
    text: TextTowerConfig
    head: HeadConfig


def make_network(design: Design) -> Network:
    """Return a network with random weights."""
    return Network(
        Backbone(design.backbone, design.tap_blocks),
        TextTower(design.text),
        make_head(design.head),
    )


def save_network(folder: Path, design: Design, network: Network, *, card: str) -> str:
    """Write a checkpoint with its own backbone and text tower beside it; return its hash."""
    save_backbone(folder / _BACKBONE_SOURCE, network.backbone)
    save_text_tower(folder / _TEXT_SOURCE, network.text)
    # What is read back is what the checkpoint belongs to: the files are half precision.
    backbone = open_backbone(_BACKBONE_SOURCE, folder=folder, tap_blocks=design.tap_blocks)
    text = open_text_tower(_TEXT_SOURCE, folder=folder)
    config = CheckpointConfig(
        name=design.name,
        image_size_px=design.image_size_px,
        backbone=Reference(source=_BACKBONE_SOURCE, fingerprint=fingerprint(backbone)),
        text=Reference(source=_TEXT_SOURCE, fingerprint=fingerprint(text)),
        head=design.head,
        tap_blocks=design.tap_blocks,
    )
    return save_checkpoint(folder, config, network.head, card=card)
