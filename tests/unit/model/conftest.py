"""Seeded tensors and a tiny detector."""

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from inspection.model.checkpoint import Checkpoint, CheckpointConfig, Network
from tests.tiny import TINY

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


@pytest.fixture(scope="session")
def tiny_config() -> CheckpointConfig:
    return TINY


@pytest.fixture
def tiny_network(tiny_config: CheckpointConfig) -> Network:
    torch.manual_seed(7)
    return Network(tiny_config).eval()


@pytest.fixture
def tiny_checkpoint(tiny_config: CheckpointConfig, tiny_network: Network) -> Checkpoint:
    return Checkpoint(config=tiny_config, network=tiny_network, content_hash="0" * 64)
