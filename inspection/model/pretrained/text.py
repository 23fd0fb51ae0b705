"""Text towers by reference: one that open_clip knows, a folder, or the packaged one."""

import dataclasses
import zipfile
from pathlib import Path

import open_clip
import torch
from open_clip.pretrained import download_pretrained
from torch import Tensor

from inspection.errors import CheckpointError
from inspection.model.pretrained.source import POCKET, WAY_OUT, packaged, path_of
from inspection.model.pretrained.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    fit,
    read_json,
    read_pickle,
    read_safetensors,
    write_halved,
    write_json,
)
from inspection.model.text import TextTower, TextTowerConfig, open_clip_config

#: Beginnings of the names that CLIP's text tower has in a whole model's weights.
_TEXT_PARTS = (
    "token_embedding.",
    "positional_embedding",
    "transformer.",
    "ln_final.",
    "text_projection",
)


def open_text_tower(source: str, *, folder: Path) -> TextTower:
    """Open a frozen text tower: float32 on the CPU, in evaluation mode, without gradients.

    `source` is one of

    * `MODEL@TAG`, a model and its weights as open_clip names them, downloaded and kept by it;
    * `MODEL@PATH`, a model as open_clip names it and a file of its weights, such as OpenAI's own
      `ViT-L-14-336px.pt`; only the text tower's tensors are kept;
    * a path to a folder that `save_text_tower` wrote;
    * `pocket`: the small one that is shipped in the package.

    Paths are absolute, or begin with `./` or `../` and are seen from `folder`.

    OpenAI trained its models with an approximation of GELU, which only the names ending in
    `-quickgelu` compute: `ViT-L-14-336-quickgelu@openai` is CLIP as it was trained, and
    `ViT-L-14-336@openai` are the same weights with the exact GELU, as in the published code of
    AVA-DINO and AD-DINOv3, for the sake of their numbers.

    Files are read without running code of theirs, but for OpenAI's TorchScript archives: these
    hold a program, of which TorchScript's own loader runs what it needs to restore the tensors.
    Open archives of known origin only.

    Raises:
        CheckpointError: the weights are not there, cannot be had, or are of another network.
    """
    if source == POCKET:
        return _from_folder(packaged("text"))
    model, at, weights = source.partition("@")
    if at and not model.startswith((".", "/")):
        return _from_open_clip(model, weights, folder)
    path = path_of(source, folder)
    if path is None:
        raise CheckpointError(
            f"{source!r} names no text tower: take {POCKET!r}, MODEL@TAG as open_clip names them "
            "('ViT-L-14-336-quickgelu@openai'), or a folder's path, absolute or beginning with ./"
        )
    return _from_folder(path)


def save_text_tower(folder: Path, tower: TextTower) -> None:
    """Write a text tower as a folder that `open_text_tower` opens.

    Weights are rounded to half precision, so that the fingerprint to keep is that of the tower
    opened again. The same tower makes the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG_FILE, dataclasses.asdict(tower.config))
    write_halved(folder / WEIGHTS_FILE, tower.transformer.state_dict())


def _from_folder(folder: Path) -> TextTower:
    path = folder / CONFIG_FILE
    try:
        config = TextTowerConfig(**read_json(path))
    except TypeError as error:
        raise CheckpointError(f"{path} describes no text tower: {error}") from error
    return _tower(config, read_safetensors(folder / WEIGHTS_FILE), origin=str(folder))


def _from_open_clip(model: str, weights: str, folder: Path) -> TextTower:
    config = open_clip_config(model)
    path = path_of(weights, folder) or _downloaded(model, weights)
    tensors = _text_part(_read(path))
    if not tensors:
        raise CheckpointError(f"{path} holds no text tower of CLIP's; take the file of {model}")
    return _tower(config, tensors, origin=str(path))


def _downloaded(model: str, tag: str) -> Path:
    described = open_clip.get_pretrained_cfg(model, tag)
    if not described:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise CheckpointError(
            f"open_clip has no weights {tag!r} for {model}: take one of those it has ({known}), "
            "or the path to a file of weights, beginning with ./"
        )
    try:
        return Path(download_pretrained(described))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the weights {tag!r} of {model} are not on this machine and cannot be downloaded: "
            f"connect it and try again, or put their file somewhere and name {model}@/its/path, "
            f"{WAY_OUT}"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if not _is_script(path):
        return read_pickle(path)
    try:
        script = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise CheckpointError(f"{path} cannot be read as weights: {reason}") from error
    return dict(script.state_dict())


def _is_script(path: Path) -> bool:
    """Return whether a file is a TorchScript archive, which weights-only loading refuses."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _text_part(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    inner = {
        name.removeprefix("text."): tensor
        for name, tensor in weights.items()
        if name.startswith("text.")
    }
    named = inner or weights
    return {name: tensor for name, tensor in named.items() if name.startswith(_TEXT_PARTS)}


def _tower(config: TextTowerConfig, tensors: dict[str, Tensor], *, origin: str) -> TextTower:
    try:
        with torch.device("meta"):  # random numbers for weights that are replaced take time
            tower = TextTower(config)
    except (TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError) as error:
        raise CheckpointError(f"{origin} describes no text tower: {error}") from error
    transformer = tower.transformer
    transformer.attn_mask = transformer.build_causal_mask()  # in no file
    fit(transformer, tensors, origin=origin)
    return tower.requires_grad_(requires_grad=False).eval()
