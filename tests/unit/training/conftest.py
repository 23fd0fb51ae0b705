import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from more, and several test processes share the machine."""
    torch.set_num_threads(1)
