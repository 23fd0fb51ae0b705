"""Text embeddings on disk, so that sentences are encoded once per text tower and not per process.

One file per text tower and set of sentences, named by the SHA-256 over both. A file holds the
tensor `columns` ``(output_width, 2)`` float32 and says in its header what it is named by and the
SHA-256 over its values; one that disagrees in anything is computed again, and replaced.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from inspection import telemetry
from inspection.model.prompts import Prompts

_COLUMNS = "columns"
_SUFFIX = ".safetensors"


class EmbeddingFiles:
    """The folder of text embeddings of one text tower; several processes may share it."""

    def __init__(self, folder: Path, *, tower: str) -> None:
        """Take the folder, which need not exist yet, and the text tower's fingerprint."""
        self._folder = folder
        self._tower = tower
        self._is_writable = True

    def find(self, prompts: Prompts, shape: tuple[int, int]) -> Tensor | None:
        """Return the columns kept for the sentences, or None when there are none to be trusted."""
        key = self._key(prompts)
        try:
            with safe_open(self._folder / f"{key}{_SUFFIX}", framework="pt") as file:
                header = file.metadata() or {}
                columns: Tensor = file.get_tensor(_COLUMNS)
        except (OSError, SafetensorError):
            return None
        if tuple(columns.shape) != shape or columns.dtype != torch.float32:
            return None
        return columns if header == {"key": key, "sha256": _digest(columns)} else None

    def keep(self, prompts: Prompts, columns: Tensor) -> None:
        """Write columns for others to find; a folder that cannot be written is logged once."""
        key = self._key(prompts)
        values = columns.detach().float().cpu().contiguous()
        content = save({_COLUMNS: values}, {"key": key, "sha256": _digest(values)})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _replace(self._folder / f"{key}{_SUFFIX}", content)
        except OSError as error:
            if self._is_writable:
                telemetry.logger().warning(
                    "embeddings_not_kept", folder=str(self._folder), error=error.strerror
                )
            self._is_writable = False

    def _key(self, prompts: Prompts) -> str:
        described = json.dumps([self._tower, prompts.normal, prompts.anomalous])
        return hashlib.sha256(described.encode()).hexdigest()


def _digest(columns: Tensor) -> str:
    values = np.ascontiguousarray(columns.numpy(), dtype="<f4")
    return hashlib.sha256(values.data).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
