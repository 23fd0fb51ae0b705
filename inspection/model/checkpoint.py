"""A checkpoint: the folder that holds a detector's trained part and says what it belongs to.

config.json            method, sizes, backbone and text tower by reference, and the content hash
adapters.safetensors   the weights of the head
card.md                where the weights come from and what they reach

A checkpoint for references alone has no adapters and no text tower: its method is `references`,
and what it compares pictures with is built later, from good parts. Adapters can be added to it.

Backbone and text tower stay where they are: the folder says where they come from and what their
fingerprints are, and a detector is not built from others. The content hash, SHA-256 over
configuration and adapters, therefore covers the whole detector; it is the identity that inspections
are stored with. Adapters are float32 in memory and, where they were trained here, half precision
on disk.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inspection.errors import CheckpointError, ConfigurationError
from inspection.model.backbone import Backbone
from inspection.model.checkpoint_folder import (
    ADAPTERS_FILE,
    CARD_FILE,
    CONFIG_FILE,
    FORMAT,
    REFERENCES,
    Reference,
    content_hash,
    read_configuration,
    read_description,
    resolve_checkpoint,
)
from inspection.model.fingerprint import fingerprint
from inspection.model.methods import Head, HeadConfig, make_head, method_of, read_head_config
from inspection.model.pretrained.backbone import open_backbone
from inspection.model.pretrained.text import open_text_tower
from inspection.model.text import TextTower

_READABLE_BY_ALL = 0o644


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Everything that is needed to rebuild a detector around its adapters."""

    #: Name for people, for example `pocket`.
    name: str
    #: Edge of the square image that the backbone sees.
    image_size_px: int
    backbone: Reference
    #: Text tower and head are there together; None for references alone.
    text: Reference | None
    head: HeadConfig | None
    #: Blocks of the backbone that are read, counted from 0.
    tap_blocks: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AdaptedConfig(CheckpointConfig):
    """The configuration of a checkpoint that has adapters."""

    text: Reference
    head: HeadConfig


class Network(nn.Module):
    """The three parts of a detector, in evaluation or training mode together."""

    def __init__(self, backbone: Backbone, text: TextTower, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.text = text
        self.head = head


class BareNetwork(nn.Module):
    """A backbone alone: a detector of references, without text tower and head."""

    text: None = None
    head: None = None

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint in memory."""

    config: CheckpointConfig
    #: In evaluation mode, float32, on the CPU.
    network: Network | BareNetwork
    #: SHA-256 of configuration and adapters, 64 hexadecimal digits.
    content_hash: str


def save_checkpoint(
    folder: Path,
    config: CheckpointConfig,
    head: nn.Module | None,
    *,
    card: str,
    precision: torch.dtype = torch.float16,
) -> str:
    """Write a checkpoint folder and return its content hash; what was there is replaced.

    Args:
        folder: is made where it is not there.
        config: of all parts.
        head: whose weights are stored; None for references alone.
        card: Markdown for people.
        precision: of the stored weights.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    method = REFERENCES if config.head is None else method_of(config.head)
    described = {"format": FORMAT, "method": method, **dataclasses.asdict(config)}
    adapters, configuration = folder / ADAPTERS_FILE, folder / CONFIG_FILE
    paths = (configuration,) if head is None else (adapters, configuration)
    partial = {path: path.with_suffix(".partial") for path in paths}
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if head is not None:
            save_file(_stored(head, precision), partial[adapters])
            # safetensors makes files that nobody else may read.
            partial[adapters].chmod(_READABLE_BY_ALL)
        found_hash = content_hash(described, partial.get(adapters))
        partial[configuration].write_text(
            json.dumps({**described, "content_hash": found_hash}, indent=2) + "\n",
            encoding="utf-8",
        )
        # What was there is whole until now, also on a full disk.
        for path, written in partial.items():
            written.replace(path)
    save_card(folder, card)
    return found_hash


def save_card(folder: Path, card: str) -> None:
    """Write a checkpoint's card, which the content hash does not cover.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    with _written(folder):
        (folder / CARD_FILE).write_text(card, encoding="utf-8")


def claim(folder: Path) -> None:
    """Make a folder for a checkpoint.

    Raises:
        CheckpointError: there is a checkpoint in it, or it cannot be made.
    """
    if (folder / CONFIG_FILE).exists():
        raise CheckpointError(f"{folder} holds a finished checkpoint; write to another folder")
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{folder} cannot be written: {reason}") from error


def read_config(folder: Path) -> CheckpointConfig:
    """Return the configuration of a checkpoint folder, whether or not the checkpoint is whole.

    Raises:
        CheckpointError: it is missing, cannot be read, or lacks something.
    """
    return _config_from(read_configuration(folder), folder)


def load_checkpoint(
    path_or_name: str | Path, *, backbone: str | None = None, text: str | None = None
) -> Checkpoint:
    """Load a checkpoint from a folder, or the packaged one by the name `pocket`.

    Args:
        path_or_name: the folder, or `pocket`.
        backbone: where its backbone is on this machine, when not where the checkpoint says.
        text: where its text tower is, likewise; nothing is looked for where it has none.

    Raises:
        CheckpointError: a file is missing, damaged, or does not belong to the others.
    """
    folder = resolve_checkpoint(path_or_name)
    described, found_hash = read_description(folder)
    config = _config_from(described, folder)
    source = backbone or config.backbone.source
    opened = open_backbone(source, folder=folder, tap_blocks=config.tap_blocks)
    _check(opened, config.backbone, source, f"{folder}: the backbone")
    network = _network(opened, config, folder, text).eval()
    return Checkpoint(config=config, network=network, content_hash=found_hash)


def _network(
    backbone: Backbone, config: CheckpointConfig, folder: Path, text: str | None
) -> Network | BareNetwork:
    if config.text is None or config.head is None:
        return BareNetwork(backbone)
    source = text or config.text.source
    tower = open_text_tower(source, folder=folder)
    _check(tower, config.text, source, f"{folder}: the text tower")
    head = make_head(config.head)
    _load_adapters(head, folder / ADAPTERS_FILE)
    return Network(backbone, tower, head)


def _check(part: nn.Module, reference: Reference, source: str, what: str) -> None:
    if fingerprint(part) != reference.fingerprint:
        raise CheckpointError(
            f"{what} from {source} is not the one it was trained with "
            f"({reference.source}, fingerprint {reference.fingerprint[:12]}); take that one"
        )


def _config_from(described: Mapping[str, Any], folder: Path) -> CheckpointConfig:
    is_bare = described.get("method") == REFERENCES
    try:
        return CheckpointConfig(
            name=described["name"],
            image_size_px=described["image_size_px"],
            backbone=Reference(**described["backbone"]),
            text=None if is_bare else Reference(**described["text"]),
            head=None if is_bare else read_head_config(described["method"], described["head"]),
            tap_blocks=tuple(described["tap_blocks"]),
        )
    except (KeyError, TypeError, ConfigurationError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} lacks or misspells a field: {error}"
        ) from error


def _load_adapters(head: Head, path: Path) -> None:
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        head.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit the configuration: {error}") from error


def _stored(part: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
    return {
        name: tensor.detach().to("cpu", precision).contiguous()
        for name, tensor in part.state_dict().items()
    }
