"""Backbones by reference: a DINOv3 ViT from the Hub, from Meta's file, a folder or the package."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor

from inspection.errors import CheckpointError
from inspection.model.backbone import (
    IMAGENET,
    SATELLITE,
    Backbone,
    Normalisation,
    from_meta_weights,
)
from inspection.model.pretrained.hub import PREPROCESSOR_FILE, download
from inspection.model.pretrained.meta import architecture_of, from_timm_weights
from inspection.model.pretrained.source import (
    POCKET,
    WAY_OUT,
    is_repository,
    packaged,
    path_of,
)
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

_MODEL_TYPE = "dinov3_vit"
#: Fields of transformers' configuration that shape the network or its answers.
_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_register_tokens",
    "num_channels",
    "patch_size",
    "image_size",
    "hidden_act",
    "layer_norm_eps",
    "rope_theta",
    "use_gated_mlp",
    "query_bias",
    "key_bias",
    "value_bias",
    "proj_bias",
    "mlp_bias",
)
_TIMM_NAME = re.compile(r"vit_\w+_patch\d+_dinov3(_qkvb)?")
#: What the names of weights trained on satellite pictures have in common.
_SATELLITE_MARK = "sat493m"


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A backbone's weights and what belongs to them."""

    #: Arguments of transformers' DINOv3 configuration.
    config: dict[str, Any]
    #: By the names of transformers' model.
    tensors: dict[str, Tensor]
    normalisation: Normalisation
    #: Names in messages where the tensors come from.
    origin: str


def open_backbone(source: str, *, folder: Path, tap_blocks: tuple[int, ...] = ()) -> Backbone:
    """Open a frozen backbone: float32 on the CPU, in evaluation mode, without gradients.

    `source` is one of

    * `facebook/dinov3-vitl16-pretrain-lvd1689m` and the like: the Hugging Face Hub, with the
      user's own login, because these repositories are closed until their licence is accepted;
    * `timm/vit_large_patch16_dinov3.lvd1689m` and the like: the same weights, not closed, under
      the same licence;
    * a path to Meta's `.pth` file;
    * a path to a folder as transformers or timm write it (`config.json`, `model.safetensors`),
      beginning with `./` or `../` (seen from `folder`) or absolute;
    * `pocket`: the small one that is shipped in the package.

    What images must be normalised with is read from the source where it says so. Elsewhere it is
    ImageNet's, or, where the source has `sat493m` in its name, that of satellite pictures.

    Args:
        source: where the weights come from.
        folder: from where relative paths are seen.
        tap_blocks: blocks that are read, counted from 0; by default one at each quarter.

    Raises:
        CheckpointError: the weights are not there, cannot be had, or are of another network.
    """
    opened = _opened(source, folder)
    try:
        with torch.device("meta"):  # random numbers for weights that are replaced take seconds
            backbone = Backbone(opened.config, tap_blocks, opened.normalisation)
    except (
        *(TypeError, ValueError, LookupError, ArithmeticError, RuntimeError),
        StrictDataclassError,
    ) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise CheckpointError(f"{opened.origin} describes no network: {reason}") from error
    vit = backbone.vit
    vit.rope_embeddings = type(vit.rope_embeddings)(vit.config)  # its buffer is in no file
    fit(vit, opened.tensors, origin=opened.origin)
    depth = vit.config.num_hidden_layers
    if any(not 0 <= block < depth for block in backbone.tap_blocks):
        raise CheckpointError(
            f"{opened.origin} has {depth} blocks and cannot be read at {list(backbone.tap_blocks)}"
        )
    return backbone.requires_grad_(requires_grad=False).eval()


def save_backbone(folder: Path, backbone: Backbone) -> None:
    """Write a backbone as a folder that `open_backbone` and transformers open.

    Weights are rounded to half precision, so that the fingerprint to keep is that of the backbone
    opened again. The same backbone makes the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = backbone.vit.config
    described = {name: getattr(config, name) for name in _FIELDS}
    kind = {"architectures": ["DINOv3ViTModel"], "model_type": _MODEL_TYPE}
    write_json(folder / CONFIG_FILE, kind | described)
    normalisation = backbone.normalisation
    write_json(
        folder / PREPROCESSOR_FILE,
        {"image_mean": normalisation.mean, "image_std": normalisation.deviation},
    )
    write_halved(folder / WEIGHTS_FILE, backbone.vit.state_dict())


def _opened(source: str, folder: Path) -> _Opened:
    if source == POCKET:
        return _from_folder(packaged("backbone"), source)
    path = path_of(source, folder)
    if path is not None:
        return _from_folder(path, source) if path.is_dir() else _from_meta_file(path, source)
    if is_repository(source):
        return _from_folder(download(source), source)
    raise CheckpointError(
        f"{source!r} names no backbone: take {POCKET!r}, a repository such as "
        "'timm/vit_large_patch16_dinov3.lvd1689m', Meta's .pth file, or a folder's path, absolute "
        "or beginning with ./"
    )


def _from_meta_file(path: Path, source: str) -> _Opened:
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing: put the folder of a backbone there, or Meta's file, which is to "
            "be asked for at https://ai.meta.com/resources/models-and-libraries/dinov3-downloads, "
            f"{WAY_OUT}"
        )
    weights = read_pickle(path)
    return _Opened(
        config=architecture_of(weights, origin=str(path)),
        tensors=from_meta_weights(weights),
        normalisation=_by_name(source),
        origin=str(path),
    )


def _from_folder(path: Path, source: str) -> _Opened:
    described = read_json(path / CONFIG_FILE)
    origin = source if is_repository(source) else str(path)
    if "architecture" in described:
        return _from_timm(path, described, origin)
    found = described.get("model_type")
    if found != _MODEL_TYPE:
        raise CheckpointError(_unsupported(origin, found))
    weights = read_safetensors(path / WEIGHTS_FILE)
    preprocessor = path / PREPROCESSOR_FILE
    images = read_json(preprocessor) if preprocessor.is_file() else {}
    return _Opened(
        config={name: described[name] for name in _FIELDS if name in described},
        tensors=_from_transformers_weights(weights),
        normalisation=_described(
            images.get("image_mean"), images.get("image_std"), origin=origin, name=source
        ),
        origin=origin,
    )


def _from_timm(path: Path, described: dict[str, Any], origin: str) -> _Opened:
    name = str(described["architecture"])
    if _TIMM_NAME.fullmatch(name) is None:
        raise CheckpointError(_unsupported(origin, name))
    weights = from_timm_weights(read_safetensors(path / WEIGHTS_FILE))
    images = described.get("pretrained_cfg") or {}
    arguments = described.get("model_args") or {}
    return _Opened(
        config=architecture_of(weights, origin=origin, heads=arguments.get("num_heads")),
        tensors=from_meta_weights(weights),
        normalisation=_described(images.get("mean"), images.get("std"), origin=origin, name=origin),
        origin=origin,
    )


def _from_transformers_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    # Published files name the blocks as transformers 4 did; the rotary buffer is not stored today.
    return {
        re.sub(r"^layer\.", "model.layer.", name): tensor
        for name, tensor in weights.items()
        if not name.startswith("rope_embeddings.")
    }


def _described(mean: Any, deviation: Any, *, origin: str, name: str) -> Normalisation:
    if mean is None or deviation is None:
        return _by_name(name)
    try:
        red_green_blue = [tuple(float(value) for value in values) for values in (mean, deviation)]
        (r, g, b), (dr, dg, db) = red_green_blue
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{origin} describes no mean and deviation of three colours: {mean}, {deviation}"
        ) from error
    return Normalisation(mean=(r, g, b), deviation=(dr, dg, db))


def _by_name(name: str) -> Normalisation:
    return SATELLITE if _SATELLITE_MARK in name.lower() else IMAGENET


def _unsupported(origin: str, found: object) -> str:
    return (
        f"{origin} is a {found}, and only the vision transformers of DINOv3 can be opened: take "
        f"one of its sizes from ViT-S to ViT-H+, {WAY_OUT}"
    )
