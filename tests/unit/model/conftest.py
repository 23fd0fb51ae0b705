"""Seeded tensors and a tiny detector."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from inspection.model.checkpoint import Checkpoint, load_checkpoint
from tests.tiny import save_tiny

#: Makes the reference's tensor of a name and shape.
Seeded = Callable[..., torch.Tensor]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from more, and several test processes share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def seeded() -> Seeded:
    def make(name: str, shape: tuple[int, ...], scale: float = 1.0) -> torch.Tensor:
        rng = np.random.default_rng([zlib.crc32(name.encode()), 20261121])
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * np.float32(scale))

    return make


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """Folder of a checkpoint with a backbone and a text tower of its own."""
    return save_tiny(tmp_path / "tiny")


@pytest.fixture
def tiny_checkpoint(tiny_folder: Path) -> Checkpoint:
    return load_checkpoint(tiny_folder)
