"""Creation of checkpoints that need no training: a backbone that compares pictures with references.

What such a checkpoint knows of a product is built later, from a handful of its good parts.
"""

from dataclasses import dataclass
from pathlib import Path

from inspection.errors import ConfigurationError
from inspection.model.checkpoint import CheckpointConfig, claim, save_card, save_checkpoint
from inspection.model.checkpoint_folder import Reference
from inspection.model.fingerprint import fingerprint
from inspection.model.pretrained.backbone import open_backbone


@dataclass(frozen=True, kw_only=True)
class Creation:
    """What is to be created."""

    #: Name of the checkpoint, for people.
    name: str
    #: Where the backbone comes from; see `open_backbone`.
    backbone: str
    #: Edge of the square image that the backbone sees, a multiple of its patches'.
    image_size_px: int


def create(creation: Creation, out: Path) -> str:
    """Write the folder `out` of a checkpoint for references alone; return its content hash.

    Raises:
        CheckpointError: the backbone cannot be had, or `out` holds a checkpoint.
        ConfigurationError: the image size is no multiple of the patch size.
    """
    backbone = open_backbone(creation.backbone, folder=Path.cwd())
    if creation.image_size_px % backbone.patch_size_px:
        raise ConfigurationError(
            f"the image size {creation.image_size_px} is no multiple of "
            f"{backbone.patch_size_px}, the patch size of {creation.backbone}"
        )
    config = CheckpointConfig(
        name=creation.name,
        image_size_px=creation.image_size_px,
        backbone=Reference(source=creation.backbone, fingerprint=fingerprint(backbone)),
        text=None,
        head=None,
        tap_blocks=backbone.tap_blocks,
    )
    claim(out)
    content_hash = save_checkpoint(out, config, None, card="")
    save_card(out, _card(config, content_hash))
    return content_hash


def _card(config: CheckpointConfig, content_hash: str) -> str:
    blocks = ", ".join(str(block + 1) for block in config.tap_blocks)
    return f"""# {config.name}

A backbone for references alone, for images of {config.image_size_px} px: no adapters, no text \
tower, nothing trained here. It scores a part only beside a reference, which is built from good \
parts of the same product; without one a frame stays uninspected.

* Content hash: `{content_hash}`
* Backbone: {config.backbone.source}, fingerprint `{config.backbone.fingerprint}`
* Read after its blocks {blocks}

## Adapters

Adapters that are trained for this backbone and image size with `inspection train --out` and this \
folder are added to it. The content hash is another one then, and references are built anew.

## Terms

The folder refers to the backbone and does not hold it; its licence applies.
"""
