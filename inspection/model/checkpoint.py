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
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inspection.errors import CheckpointError
from inspection.model.ava_dino import AvaDino, AvaDinoConfig
from inspection.model.backbone import Backbone
from inspection.model.text import TextTower, TextTowerConfig

#: The checkpoint that is shipped in the package.
POCKET = "pocket"
#: Version of the folder's layout.
FORMAT = 1
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

_CONFIG_FILE = "config.json"
_CARD_FILE = "card.md"
_TENSOR_FILES = ("backbone.safetensors", "text.safetensors", "head.safetensors")


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


def resolve_checkpoint(path_or_name: str | Path) -> Path:
    """Return the folder of a checkpoint: the packaged one for `pocket`, else the path itself."""
    if str(path_or_name) == POCKET:
        return Path(str(resources.files("inspection.model"))) / POCKET
    return Path(path_or_name)


def save_checkpoint(folder: Path, config: CheckpointConfig, network: Network, *, card: str) -> str:
    """Write a checkpoint folder and return its content hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, part in zip(_TENSOR_FILES, network.parts(), strict=True):
        save_file(_halved(part), folder / file_name)
    save_card(folder, card)
    described = {"format": FORMAT, **dataclasses.asdict(config)}
    content_hash = _content_hash(described, folder)
    (folder / _CONFIG_FILE).write_text(
        json.dumps({**described, "content_hash": content_hash}, indent=2) + "\n", encoding="utf-8"
    )
    return content_hash


def save_card(folder: Path, card: str) -> None:
    """Write a checkpoint's card, which the content hash does not cover."""
    (folder / _CARD_FILE).write_text(card, encoding="utf-8")


def load_checkpoint(path_or_name: str | Path) -> Checkpoint:
    """Load a checkpoint from a folder, or the packaged one by the name `pocket`.

    Raises:
        CheckpointError: a file is missing, damaged, or does not belong to the others.
    """
    folder = resolve_checkpoint(path_or_name)
    described = _read_config(folder)
    for file_name in _TENSOR_FILES:
        if not (folder / file_name).is_file():
            raise CheckpointError(f"{folder / file_name} is missing; copy the whole folder again")
    stored_hash = described.pop("content_hash", None)
    if stored_hash != _content_hash(described, folder):
        raise CheckpointError(
            f"{folder / _CONFIG_FILE}: the content hash does not fit the files beside it; "
            "the folder was changed or copied in part: copy the whole folder again"
        )
    config = _config_from(described, folder)
    network = Network(config)
    for file_name, part in zip(_TENSOR_FILES, network.parts(), strict=True):
        _load_part(part, folder / file_name)
    return Checkpoint(config=config, network=network.eval(), content_hash=stored_hash)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG_FILE
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"{path} is missing; name a checkpoint folder, or {POCKET!r} for the packaged one"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of format {FORMAT}; use the release that wrote it"
        )
    return described


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
            f"{folder / _CONFIG_FILE} lacks or misspells a field: {error}"
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


def _content_hash(described: dict[str, Any], folder: Path) -> str:
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for file_name in _TENSOR_FILES:
        digest.update(file_name.encode())
        with (folder / file_name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
