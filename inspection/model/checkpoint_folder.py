"""The folder of a checkpoint: where it is and whether it is whole. Read without torch."""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from inspection.errors import CheckpointError

#: The checkpoint that is shipped in the package.
POCKET = "pocket"
#: Version of the folder's layout.
FORMAT = 2
#: Method of a checkpoint without adapters: a backbone that compares pictures with references alone.
REFERENCES = "references"

CONFIG_FILE = "config.json"
CARD_FILE = "card.md"
ADAPTERS_FILE = "adapters.safetensors"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A part of a detector that is not in the checkpoint itself."""

    #: Where it comes from: `pocket`, a folder, a file, or a repository on the Hugging Face Hub.
    source: str
    #: SHA-256 of its weights, 64 hexadecimal digits.
    fingerprint: str


def resolve_checkpoint(path_or_name: str | Path) -> Path:
    """Return the folder of a checkpoint: the packaged one for `pocket`, else the path itself."""
    if str(path_or_name) == POCKET:
        return Path(str(resources.files("inspection.model"))) / POCKET
    return Path(path_or_name)


def read_description(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the configuration of a whole checkpoint, and its content hash.

    Raises:
        CheckpointError: a file is missing, cannot be read, or does not belong to the others.
    """
    described = read_configuration(folder)
    adapters = None if described.get("method") == REFERENCES else folder / ADAPTERS_FILE
    if adapters is not None and not adapters.is_file():
        raise CheckpointError(f"{adapters} is missing; copy the whole folder again")
    stored_hash = described.pop("content_hash", None)
    try:
        found_hash = content_hash(described, adapters)
    except OSError as error:
        raise CheckpointError(f"{error.filename} cannot be read: {error.strerror}") from error
    if stored_hash != found_hash:
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: the content hash does not fit the files beside it; "
            "the folder was changed or copied in part: copy the whole folder again"
        )
    return described, found_hash


def content_hash(described: dict[str, Any], adapters: Path | None) -> str:
    """Return the SHA-256 over a configuration and the file of adapters, if any, hexadecimal."""
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    if adapters is not None:
        with adapters.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_configuration(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint's configuration says, whether or not the checkpoint is whole.

    Raises:
        CheckpointError: it is missing, cannot be read, or is of another format.
    """
    path = folder / CONFIG_FILE
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
