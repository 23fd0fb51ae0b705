from pathlib import Path

import pytest
import torch

from inspection.model.backbone import Backbone
from inspection.model.pretrained.backbone import open_backbone
from inspection.training.datasets import Sample, open_dataset
from tests.datasets import render_dataset
from tests.tiny import save_tiny


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from more, and several test processes share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rendered_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products in the layout of MVTec AD, six good and six defective parts each."""
    folder = tmp_path_factory.mktemp("rendered")
    return render_dataset("mvtec-ad", folder, categories=2, normal=6, anomalous=6, size_px=64)


@pytest.fixture(scope="session")
def samples(rendered_parts: Path) -> tuple[Sample, ...]:
    return open_dataset("mvtec-ad", rendered_parts).samples


@pytest.fixture(scope="session")
def tiny_detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_backbone(tiny_detector_folder: Path) -> Backbone:
    return open_backbone("./backbone", folder=tiny_detector_folder)
