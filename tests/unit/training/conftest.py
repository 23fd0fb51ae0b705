import os
from pathlib import Path

import pytest
import torch

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from more, and several test processes share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    if not REFERENCE.is_dir():
        message = f"the reference numbers are not at {REFERENCE}"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    return REFERENCE
