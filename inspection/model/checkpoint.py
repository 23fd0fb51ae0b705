"""A checkpoint: the folder that holds a detector's configuration and weights.

config.json            sizes, normalisation and the content hash
backbone.safetensors   the DINOv3 vision transformer
text.safetensors       the text tower
head.safetensors       the AVA-DINO adapters
card.md                where the weights come from and what they reach

Weights are half precision on disk and float32 in memory. The content hash is the SHA-256 over
the configuration and the tensor files; it is the identity that inspections are stored with.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inspection.errors import CheckpointError
from inspection.model.ava_dino import AvaDino, AvaDinoConfig
from inspection.model.backbone import Backbone
from inspection.model.checkpoint_folder import (
    CARD_FILE,
    CONFIG_FILE,
    FORMAT,
    TENSOR_FILES,
    content_hash,
    read_description,
    resolve_checkpoint,
)
from inspection.model.text import TextTower, TextTowerConfig

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

_READABLE_BY_ALL = 0o644


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Everything that is needed to rebuild a detector around its weights."""

    #: Name for people, for example `pocket`.
    name: str
    #: Edge of the square image that the backbone sees.
    image_size_px: int
    #: Arguments of transformers' DINOv3 configuration.
    backbone: dict[str, Any]
    #: Size of the text tower.
    text: TextTowerConfig
    #: Size of the head.
    head: AvaDinoConfig
    #: Blocks that are read, counted from 0.
    tap_blocks: tuple[int, ...]
    #: Subtracted from RGB in [0, 1].
    mean: tuple[float, float, float] = IMAGENET_MEAN
    #: Divides RGB after the mean is subtracted.
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION
    #: The head's method; only `ava-dino` so far.
    method: str = "ava-dino"


class Network(nn.Module):
    """The three parts of a detector, in evaluation or training mode together."""

    def __init__(self, config: CheckpointConfig) -> None:
        super().__init__()
        self.backbone = Backbone(config.backbone, config.tap_blocks)
        self.text = TextTower(config.text)
        self.head = AvaDino(config.head)

    def parts(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Return the parts in the order of the tensor files."""
        return self.backbone, self.text, self.head


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint in memory."""

    config: CheckpointConfig
    #: In evaluation mode, float32, on the CPU.
    network: Network
    #: SHA-256 of configuration and tensor files, 64 hexadecimal digits.
    content_hash: str


def save_checkpoint(folder: Path, config: CheckpointConfig, network: Network, *, card: str) -> str:
    """Write a checkpoint folder and return its content hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, part in zip(TENSOR_FILES, network.parts(), strict=True):
        save_file(_halved(part), folder / file_name)
        # safetensors makes files that nobody else may read.
        (folder / file_name).chmod(_READABLE_BY_ALL)
    save_card(folder, card)
    described = {"format": FORMAT, **dataclasses.asdict(config)}
    found_hash = content_hash(described, folder)
    (folder / CONFIG_FILE).write_text(
        json.dumps({**described, "content_hash": found_hash}, indent=2) + "\n", encoding="utf-8"
    )
    return found_hash


def save_card(folder: Path, card: str) -> None:
    """Write a checkpoint's card, which the content hash does not cover."""
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def load_checkpoint(path_or_name: str | Path) -> Checkpoint:
    """Load a checkpoint from a folder, or the packaged one by the name `pocket`.

    Raises:
        CheckpointError: a file is missing, damaged, or does not belong to the others.
    """
    folder = resolve_checkpoint(path_or_name)
    described, found_hash = read_description(folder)
    config = _config_from(described, folder)
    network = Network(config)
    for file_name, part in zip(TENSOR_FILES, network.parts(), strict=True):
        _load_part(part, folder / file_name)
    return Checkpoint(config=config, network=network.eval(), content_hash=found_hash)


def _config_from(described: dict[str, Any], folder: Path) -> CheckpointConfig:
    values = {name: value for name, value in described.items() if name != "format"}
    try:
        values["text"] = TextTowerConfig(**values["text"])
        values["head"] = AvaDinoConfig(**values["head"])
        for name in ("tap_blocks", "mean", "deviation"):
            values[name] = tuple(values[name])
        return CheckpointConfig(**values)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} lacks or misspells a field: {error}"
        ) from error


def _load_part(part: nn.Module, path: Path) -> None:
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        part.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit the configuration: {error}") from error


def _halved(part: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in part.state_dict().items()
    }
