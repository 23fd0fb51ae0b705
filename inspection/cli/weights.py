"""Where backbone and text tower of the checkpoint are; looked for, but not loaded."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from inspection.cli import context
from inspection.cli.data import anchored
from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import POCKET, read_description, resolve_checkpoint
from inspection.model.pretrained.source import is_repository, path_of
from inspection.settings import Settings

#: File of a repository that its weights are in.
REPOSITORY_FILE = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What a detector is made of, as replicas find it."""

    #: Checkpoint folder or `pocket`.
    checkpoint: str
    #: Where its backbone is; None for where the checkpoint says.
    backbone: str | None
    #: Where its text tower is, likewise.
    text: str | None
    #: Folder for encoded sentences; None on a cluster, whose machines have other disks.
    cache: str | None


def found(settings: Settings) -> Weights:
    """Return what replicas are to load, after a look at what is on this machine.

    Raises:
        ConfigurationError: the checkpoint is missing or damaged, or a part of it is not there.
    """
    checkpoint = context.checkpoint(settings)
    if settings.ray_address is not None:
        return Weights(
            checkpoint=checkpoint,
            backbone=settings.backbone,
            text=settings.text_tower,
            cache=None,
        )
    described, _ = read_description(resolve_checkpoint(checkpoint))
    for part, setting in (("backbone", settings.backbone), ("text", settings.text_tower)):
        _check(part, setting, described, checkpoint)
    return Weights(
        checkpoint=checkpoint,
        backbone=settings.backbone and anchored(settings.backbone),
        text=settings.text_tower and anchored(settings.text_tower),
        cache=str(settings.cache_dir),
    )


def finding(settings: Settings) -> str:
    """Say what `inspection doctor` finds of the checkpoint.

    Raises:
        ConfigurationError: as for `found`.
    """
    weights = found(settings)
    if settings.ray_address is not None:
        return f"{weights.checkpoint}, on the cluster"
    folder = resolve_checkpoint(weights.checkpoint)
    source = weights.backbone or _named(read_description(folder)[0], "backbone") or POCKET
    is_path = source == POCKET or path_of(source, folder) is not None
    if is_path or not is_repository(source) or _is_downloaded(source):
        return weights.checkpoint
    return (
        f"{weights.checkpoint}; its backbone {source} is not on this machine yet and will be "
        "downloaded when replicas start, or set INSPECTION_BACKBONE to where it is"
    )


def _check(part: str, setting: str | None, described: Mapping[str, Any], checkpoint: str) -> None:
    """See that a part that is named by its path is there."""
    variable = "INSPECTION_BACKBONE" if part == "backbone" else "INSPECTION_TEXT_TOWER"
    source = anchored(setting) if setting is not None else _named(described, part)
    # `MODEL@PATH` is a text tower that open_clip describes.
    path = path_of((source or "").rpartition("@")[2], resolve_checkpoint(checkpoint))
    if path is None or path.exists():
        return
    if setting is not None:
        raise ConfigurationError(f"{variable}: {path} is not there; correct the path")
    raise ConfigurationError(
        f"INSPECTION_CHECKPOINT: {checkpoint} refers to {path}, which is not there; set "
        f"{variable} to where it is on this machine"
    )


def _named(described: Mapping[str, Any], part: str) -> str | None:
    """Return where the checkpoint says that a part is."""
    reference = described.get(part)
    return reference.get("source") if isinstance(reference, dict) else None


def _is_downloaded(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    with suppress(HFValidationError):
        return isinstance(try_to_load_from_cache(repository, REPOSITORY_FILE), str)
    return False
