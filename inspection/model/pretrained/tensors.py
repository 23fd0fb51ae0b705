"""Tensors on disk and in modules: read, written, and fitted so that none is left over."""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inspection.errors import CheckpointError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

#: safetensors makes files that nobody else may read.
_READABLE_BY_ALL = 0o644

#: What torch raises on bytes that it has not written, or not to the end.
_NOT_PICKLED = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path} is missing; name a folder that holds it") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(described, dict):
        raise CheckpointError(f"{path} holds no object")
    return described


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file as they are stored, on the CPU.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing; weights in a single safetensors file are needed"
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def unpickle(path: Path) -> Any:
    """Return tensors and plain values that torch saved, on the CPU; no code of theirs is run.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; put the downloaded file there") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except _NOT_PICKLED as error:
        # Without torch's own words: they say how to run the code that may be in the file.
        raise CheckpointError(
            f"{path} cannot be read as weights: it is damaged, or holds other things than tensors"
        ) from error


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file that torch saved; nothing but tensors is unpickled.

    A training checkpoint's `state_dict` and the prefix of parallel training are looked through.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    weights = unpickle(path)
    if isinstance(weights, dict) and isinstance(weights.get("state_dict"), dict):
        weights = weights["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise CheckpointError(f"{path} holds something else than the tensors of one network")
    return {name.removeprefix("module."): tensor for name, tensor in weights.items()}


def write_halved(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors in half precision; the same tensors make the same bytes."""
    halved = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in tensors.items()
    }
    save_file(halved, path)
    path.chmod(_READABLE_BY_ALL)


def write_json(path: Path, described: dict[str, Any]) -> None:
    """Write an object as JSON for people to read."""
    path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def fit(module: nn.Module, tensors: dict[str, Tensor], *, origin: str) -> None:
    """Put tensors into a module as float32, every one of them and no other.

    `origin` names in messages where they come from.

    Raises:
        CheckpointError: a tensor is missing, left over or of another shape; the message names it.
    """
    expected = module.state_dict()
    complaints = [
        *_named("missing", sorted(expected.keys() - tensors.keys())),
        *_named("left over", sorted(tensors.keys() - expected.keys())),
        *(
            f"{name} has the shape {list(tensor.shape)} and not {list(expected[name].shape)}"
            for name, tensor in tensors.items()
            if name in expected and tensor.shape != expected[name].shape
        ),
    ]
    if complaints:
        raise CheckpointError(f"{origin} does not fit its network: {complaints[0]}")
    module.load_state_dict({name: t.float() for name, t in tensors.items()}, assign=True)


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return [f"the tensor {names[0]} is {what}{others}"]
