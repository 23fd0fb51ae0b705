import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inspection.errors import CheckpointError
from inspection.model.ad_dinov3 import AdDinov3Config
from inspection.model.checkpoint import (
    load_checkpoint,
    read_config,
    resolve_checkpoint,
    save_checkpoint,
)
from inspection.model.checkpoint_folder import content_hash, read_description
from inspection.model.methods import make_head
from tests.tiny import TINY, save_tiny, tiny_network


def change_configuration(folder: Path, **values: object) -> None:
    """Change values as somebody who means it: the content hash fits again."""
    path = folder / "config.json"
    described = json.loads(path.read_text()) | values
    del described["content_hash"]
    path.write_text(
        json.dumps(
            {**described, "content_hash": content_hash(described, folder / "adapters.safetensors")}
        )
    )


def test_checkpoint_comes_back_as_it_was_saved_to_half_precision(tiny_folder: Path) -> None:
    loaded = load_checkpoint(tiny_folder)

    assert loaded.config.head == TINY.head
    assert loaded.config.tap_blocks == TINY.tap_blocks
    saved = tiny_network().state_dict()
    again = loaded.network.state_dict()
    assert saved.keys() == again.keys()
    for name, tensor in saved.items():
        assert again[name].dtype == torch.float32
        np.testing.assert_allclose(again[name], tensor, rtol=1e-3, atol=1e-6)


def test_checkpoint_holds_its_adapters_and_refers_to_the_rest(tiny_folder: Path) -> None:
    adapters = load_file(tiny_folder / "adapters.safetensors")

    described = json.loads((tiny_folder / "config.json").read_text())
    assert adapters.keys() == tiny_network().head.state_dict().keys()
    assert described["backbone"]["source"] == "./backbone"
    assert len(described["backbone"]["fingerprint"]) == len(described["text"]["fingerprint"]) == 64


def test_checkpoint_has_the_same_content_hash_when_it_is_saved_again(
    tiny_folder: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(tiny_folder)

    again = save_checkpoint(
        tmp_path / "again", loaded.config, loaded.network.head, card="# other\n"
    )

    assert again == loaded.content_hash


def test_checkpoint_has_another_content_hash_when_one_weight_differs(
    tiny_folder: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(tiny_folder)
    with torch.no_grad():
        loaded.network.head.text_projection.weight[0, 0] += 1

    other = save_checkpoint(tmp_path / "other", loaded.config, loaded.network.head, card="")

    assert other != loaded.content_hash


def test_checkpoint_of_the_other_method_comes_back_too(tiny_folder: Path) -> None:
    loaded = load_checkpoint(tiny_folder)
    head = make_head(AdDinov3Config(token_width=32, text_width=24))
    config = loaded.config.__class__(**(vars(loaded.config) | {"head": head.config}))

    save_checkpoint(tiny_folder, config, head, card="")

    assert load_checkpoint(tiny_folder).config == config


@pytest.mark.parametrize("name", ["config.json", "adapters.safetensors"])
def test_checkpoint_names_the_file_that_is_missing(tiny_folder: Path, name: str) -> None:
    (tiny_folder / name).unlink()

    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_checkpoint(tiny_folder)


def test_checkpoint_is_refused_when_its_adapters_were_changed(tiny_folder: Path) -> None:
    path = tiny_folder / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")

    with pytest.raises(CheckpointError, match="content hash does not fit"):
        load_checkpoint(tiny_folder)


def test_checkpoint_is_refused_when_its_configuration_was_changed(tiny_folder: Path) -> None:
    path = tiny_folder / "config.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "image_size_px": 96}))

    with pytest.raises(CheckpointError, match="content hash does not fit"):
        load_checkpoint(tiny_folder)


@pytest.mark.parametrize("part", ["backbone", "text"])
def test_checkpoint_is_refused_with_a_part_it_was_not_trained_with(
    tiny_folder: Path, tmp_path: Path, part: str
) -> None:
    other = save_tiny(tmp_path / "other", seed=8)

    with pytest.raises(CheckpointError, match="is not the one it was trained with"):
        load_checkpoint(tiny_folder, **{part: str(other / part)})


def test_checkpoint_takes_its_parts_from_where_they_are_on_this_machine(
    tiny_folder: Path, tmp_path: Path
) -> None:
    for part in ("backbone", "text"):
        (tiny_folder / part).rename(tmp_path / part)

    loaded = load_checkpoint(
        tiny_folder, backbone=str(tmp_path / "backbone"), text=str(tmp_path / "text")
    )

    assert loaded.content_hash


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"method": "magic"}, "magic"),
        ({"head": {"token_width": 32}}, "text_width"),
        ({"head": {"token_width": "wide", "text_width": 24, "adapter_width": 16}}, "token_width"),
        ({"text": {"source": "./text"}}, "fingerprint"),
    ],
)
def test_checkpoint_names_the_field_that_is_wrong(
    tiny_folder: Path, values: dict[str, object], named: str
) -> None:
    change_configuration(tiny_folder, **values)

    with pytest.raises(CheckpointError, match=named):
        load_checkpoint(tiny_folder)


def test_checkpoint_is_refused_when_its_adapters_have_another_size(tiny_folder: Path) -> None:
    described = json.loads((tiny_folder / "config.json").read_text())
    change_configuration(tiny_folder, head=described["head"] | {"adapter_width": 8})

    with pytest.raises(CheckpointError, match="does not fit the configuration"):
        load_checkpoint(tiny_folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99}'])
def test_checkpoint_is_refused_when_its_configuration_is_none(tiny_folder: Path, text: str) -> None:
    (tiny_folder / "config.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_checkpoint(tiny_folder)


def test_checkpoint_files_can_be_read_by_other_users(tiny_folder: Path) -> None:
    files = [path for path in tiny_folder.rglob("*") if path.is_file()]

    assert all(path.stat().st_mode & 0o044 == 0o044 for path in files)


def save_bare(folder: Path, tiny: Path) -> str:
    """Write a checkpoint of a tiny detector's backbone alone."""
    config = read_config(tiny)
    source = str(tiny / "backbone")
    backbone = replace(config.backbone, source=source)
    return save_checkpoint(
        folder, replace(config, backbone=backbone, text=None, head=None), None, card=""
    )


def test_checkpoint_without_adapters_comes_back_as_a_backbone_alone(
    tiny_folder: Path, tmp_path: Path
) -> None:
    saved_hash = save_bare(tmp_path / "bare", tiny_folder)

    loaded = load_checkpoint(tmp_path / "bare", text="/nowhere")

    assert loaded.content_hash == saved_hash
    assert loaded.config.head is loaded.config.text is None
    assert loaded.network.head is loaded.network.text is None
    whole = load_checkpoint(tiny_folder).network.backbone.state_dict()
    found = loaded.network.backbone.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.items())


def test_checkpoint_without_adapters_is_two_files_that_say_so(
    tiny_folder: Path, tmp_path: Path
) -> None:
    save_bare(tmp_path / "bare", tiny_folder)

    described, _ = read_description(tmp_path / "bare")

    assert (described["method"], described["head"], described["text"]) == ("references", None, None)
    assert {file.name for file in (tmp_path / "bare").iterdir()} == {"config.json", "card.md"}


def test_checkpoint_without_adapters_is_refused_when_its_configuration_was_changed(
    tiny_folder: Path, tmp_path: Path
) -> None:
    save_bare(tmp_path / "bare", tiny_folder)
    path = tmp_path / "bare" / "config.json"
    path.write_text(path.read_text().replace('"name": "tiny"', '"name": "other"'))

    with pytest.raises(CheckpointError, match="content hash does not fit"):
        load_checkpoint(tmp_path / "bare")


def test_checkpoint_without_adapters_is_refused_with_another_backbone(
    tiny_folder: Path, tmp_path: Path
) -> None:
    save_bare(tmp_path / "bare", tiny_folder)
    other = save_tiny(tmp_path / "other", seed=8)

    with pytest.raises(CheckpointError, match="is not the one it was trained with"):
        load_checkpoint(tmp_path / "bare", backbone=str(other / "backbone"))


def test_checkpoint_called_pocket_is_the_packaged_one() -> None:
    assert resolve_checkpoint("pocket").parts[-3:] == ("inspection", "model", "pocket")
