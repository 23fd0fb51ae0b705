import json
from pathlib import Path

import numpy as np
import pytest
import torch

from inspection.errors import CheckpointError
from inspection.model.checkpoint import (
    CheckpointConfig,
    Network,
    load_checkpoint,
    resolve_checkpoint,
    save_checkpoint,
)


@pytest.fixture
def folder(tmp_path: Path, tiny_config: CheckpointConfig, tiny_network: Network) -> Path:
    save_checkpoint(tmp_path / "tiny", tiny_config, tiny_network, card="# tiny\n")
    return tmp_path / "tiny"


def test_checkpoint_comes_back_as_it_was_saved_to_half_precision(
    folder: Path, tiny_config: CheckpointConfig, tiny_network: Network
) -> None:
    loaded = load_checkpoint(folder)

    assert loaded.config == tiny_config
    for name, tensor in tiny_network.state_dict().items():
        again = loaded.network.state_dict()[name]
        assert again.dtype == torch.float32
        np.testing.assert_allclose(again, tensor, rtol=1e-3, atol=1e-6)


def test_checkpoint_has_the_same_content_hash_when_it_is_saved_again(
    folder: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(folder)

    again = save_checkpoint(tmp_path / "again", loaded.config, loaded.network, card="# other\n")

    assert again == loaded.content_hash


def test_checkpoint_has_another_content_hash_when_one_weight_differs(
    folder: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(folder)
    with torch.no_grad():
        loaded.network.head.text_projection.weight[0, 0] += 1

    other = save_checkpoint(tmp_path / "other", loaded.config, loaded.network, card="")

    assert other != loaded.content_hash


@pytest.mark.parametrize("name", ["config.json", "backbone.safetensors", "head.safetensors"])
def test_checkpoint_names_the_file_that_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_checkpoint(folder)


def test_checkpoint_is_refused_when_a_tensor_file_was_changed(folder: Path) -> None:
    path = folder / "text.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")

    with pytest.raises(CheckpointError, match="content hash does not fit"):
        load_checkpoint(folder)


def test_checkpoint_is_refused_when_its_configuration_was_changed(folder: Path) -> None:
    path = folder / "config.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "image_size_px": 96}))

    with pytest.raises(CheckpointError, match="content hash does not fit"):
        load_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99}'])
def test_checkpoint_is_refused_when_its_configuration_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_checkpoint(folder)


def test_checkpoint_files_can_be_read_by_other_users(folder: Path) -> None:
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.iterdir())


def test_checkpoint_called_pocket_is_the_packaged_one() -> None:
    assert resolve_checkpoint("pocket").parts[-3:] == ("inspection", "model", "pocket")
