import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.models.eva import Eva

from inspection.errors import CheckpointError
from inspection.model.backbone import IMAGENET, SATELLITE, Backbone
from inspection.model.fingerprint import fingerprint
from inspection.model.pretrained.backbone import open_backbone, save_backbone

META_FILE = "dinov3-tiny-meta-format.pth"
BLOCKS = (0, 2, 3, 5)


@pytest.fixture
def meta_weights(reference_dir: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(reference_dir / META_FILE, weights_only=True)
    return weights


def largest_error(backbone: Backbone, reference_dir: Path) -> float:
    expected = np.load(reference_dir / "dinov3-tiny.npz")
    with torch.inference_mode():
        tapped = backbone.raw_tokens(torch.from_numpy(expected["image"]))
    errors = [
        (part - torch.from_numpy(expected[f"{name}.{block}"])).abs().max()
        for tokens, block in zip(tapped, BLOCKS, strict=True)
        for name, part in (("cls", tokens[:, 0]), ("patches", tokens[:, 5:]))
    ]
    return float(max(errors))


def full_precision(folder: Path, backbone: Backbone) -> None:
    """Write a folder as transformers 4 does: float32, blocks at `layer`, periods included."""
    save_backbone(folder, backbone)
    tensors = {
        name.replace("model.layer.", "layer."): tensor.clone()
        for name, tensor in backbone.vit.state_dict().items()
    }
    tensors["rope_embeddings.inv_freq"] = torch.ones(8)
    save_file(tensors, folder / "model.safetensors")


def test_backbone_of_metas_file_answers_what_metas_own_code_answers(reference_dir: Path) -> None:
    backbone = open_backbone(META_FILE, folder=reference_dir, tap_blocks=BLOCKS)

    assert largest_error(backbone, reference_dir) < 1e-5


def test_backbone_of_a_folder_answers_what_metas_own_code_answers(
    reference_dir: Path, tmp_path: Path
) -> None:
    full_precision(tmp_path / "backbone", open_backbone(META_FILE, folder=reference_dir))

    backbone = open_backbone("./backbone", folder=tmp_path, tap_blocks=BLOCKS)

    assert largest_error(backbone, reference_dir) < 1e-5


def test_backbone_saved_in_half_precision_stays_close(reference_dir: Path, tmp_path: Path) -> None:
    save_backbone(tmp_path / "backbone", open_backbone(META_FILE, folder=reference_dir))

    backbone = open_backbone("./backbone", folder=tmp_path, tap_blocks=BLOCKS)

    assert largest_error(backbone, reference_dir) < 2e-2


def test_backbone_saved_twice_makes_the_same_bytes(reference_dir: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_backbone(tmp_path / name, open_backbone(META_FILE, folder=reference_dir))

    one, two = (
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert sorted(one) == ["config.json", "model.safetensors", "preprocessor_config.json"]


def test_backbone_is_frozen_float32_and_leaves_the_random_numbers_alone(
    reference_dir: Path,
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)

    backbone = open_backbone(META_FILE, folder=reference_dir)

    assert not backbone.training
    assert {(p.dtype, p.requires_grad, p.device.type) for p in backbone.parameters()} == {
        (torch.float32, False, "cpu")
    }
    assert torch.rand(1) == expected


def test_pocket_is_opened_from_the_package(tmp_path: Path) -> None:
    backbone = open_backbone("pocket", folder=tmp_path)

    assert backbone.width == 192
    assert backbone.normalisation == IMAGENET


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("is_gated", [True, False])
def test_backbone_of_a_timm_folder_answers_what_timm_answers(
    tmp_path: Path,
    timm_model: Callable[..., Eva],
    save_timm: Callable[..., None],
    has_bias: bool,
    is_gated: bool,
) -> None:
    model = timm_model(has_bias=has_bias, is_gated=is_gated)
    save_timm(tmp_path / "timm", model)
    images = torch.randn(2, 3, 64, 96)

    with torch.inference_mode():
        ours = open_backbone("./timm", folder=tmp_path).raw_tokens(images)
        theirs = model.forward_intermediates(
            images,
            indices=[0, 1, 2, 3],
            return_prefix_tokens=True,
            norm=True,
            output_fmt="NLC",
            intermediates_only=True,
        )

    for tokens, (patches, prefix) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(tokens, torch.cat([prefix, patches], 1), rtol=0, atol=1e-5)


def test_same_weights_from_every_source_have_the_same_fingerprint(
    reference_dir: Path, meta_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    for name, tensor in meta_weights.items():
        if name.endswith("qkv.bias"):
            tensor.zero_()  # as in the published models
    torch.save(meta_weights, tmp_path / "meta.pth")
    meta = open_backbone("meta.pth", folder=tmp_path)
    full_precision(tmp_path / "transformers", meta)
    save_as_timm(tmp_path / "timm", meta_weights)

    others = [open_backbone(name, folder=tmp_path) for name in ("./transformers", "./timm")]

    assert [fingerprint(other) for other in others] == [fingerprint(meta)] * 2
    untouched = open_backbone(META_FILE, folder=reference_dir)
    assert fingerprint(untouched) != fingerprint(meta)


def save_as_timm(folder: Path, meta_weights: dict[str, torch.Tensor]) -> None:
    folder.mkdir()
    renamed = {
        re.sub(r"ls(\d)\.gamma", r"gamma_\1", name).replace("storage_tokens", "reg_token"): tensor
        for name, tensor in meta_weights.items()
        if not name.endswith(("mask_token", "periods", "bias_mask", "qkv.bias"))
    }
    save_file(renamed, folder / "model.safetensors")
    described = {"architecture": "vit_small_patch16_dinov3", "model_args": {"num_heads": 2}}
    (folder / "config.json").write_text(json.dumps(described))


def test_normalisation_is_read_from_the_folder(reference_dir: Path, tmp_path: Path) -> None:
    backbone = open_backbone(META_FILE, folder=reference_dir)
    backbone.normalisation = SATELLITE
    save_backbone(tmp_path / "backbone", backbone)

    assert open_backbone("./backbone", folder=tmp_path).normalisation == SATELLITE


@pytest.mark.parametrize(
    ("name", "normalisation"),
    [
        ("dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth", IMAGENET),
        ("dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth", SATELLITE),
    ],
)
def test_normalisation_of_metas_file_follows_from_its_name(
    meta_weights: dict[str, torch.Tensor], tmp_path: Path, name: str, normalisation: object
) -> None:
    torch.save(meta_weights, tmp_path / name)

    assert open_backbone(name, folder=tmp_path).normalisation == normalisation


def refusal(source: str, folder: Path, tap_blocks: tuple[int, ...] = ()) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_backbone(source, folder=folder, tap_blocks=tap_blocks)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("source", ["./backbone", "dinov3_vitl16.pth"])
def test_backbone_that_is_not_there_says_where_to_put_it_and_how_to_go_on(
    tmp_path: Path, source: str
) -> None:
    message = refusal(source, tmp_path)

    assert str(tmp_path / source) in message
    assert "https://ai.meta.com" in message
    assert "go on without network with 'pocket'" in message


def test_backbone_of_no_known_kind_lists_the_kinds(tmp_path: Path) -> None:
    message = refusal("dinov3", tmp_path)

    assert "'dinov3' names no backbone: take 'pocket'" in message


@pytest.mark.parametrize(
    "described",
    [{"model_type": "dinov3_convnext"}, {"architecture": "convnext_tiny"}, {"model_type": "vit"}],
)
def test_backbone_of_another_architecture_is_refused(
    tmp_path: Path, described: dict[str, str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(described))

    message = refusal(".", tmp_path)

    assert "only the vision transformers of DINOv3 can be opened" in message
    assert next(iter(described.values())) in message


def test_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"downsample_layers.0.weight": torch.ones(1)}, tmp_path / "convnext.pth")

    assert "is no DINOv3 vision transformer" in refusal("convnext.pth", tmp_path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)

    assert "cannot be read as weights" in refusal("weights.pth", tmp_path)


def test_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"cls_token": Path("/")}, tmp_path / "weights.pth")

    assert "cannot be read as weights" in refusal("weights.pth", tmp_path)


def test_tensor_that_is_left_over_is_named(
    meta_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(meta_weights | {"blocks.0.attn.gate.weight": torch.ones(1)}, tmp_path / "meta.pth")

    assert "blocks.0.attn.gate.weight is left over" in refusal("meta.pth", tmp_path)


def test_tensor_that_is_missing_is_named(
    meta_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    del meta_weights["blocks.3.norm1.weight"]
    torch.save(meta_weights, tmp_path / "meta.pth")

    assert "model.layer.3.norm1.weight is missing" in refusal("meta.pth", tmp_path)


def test_tensor_of_another_shape_is_named(reference_dir: Path, tmp_path: Path) -> None:
    save_backbone(tmp_path, open_backbone(META_FILE, folder=reference_dir))
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(tensors | {"norm.weight": torch.ones(7)}, tmp_path / "model.safetensors")

    assert "norm.weight has the shape [7] and not [64]" in refusal(".", tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("hidden_size", "wide"), ("num_attention_heads", 0), ("hidden_act", "no")]
)
def test_folder_that_describes_no_network_is_refused(
    reference_dir: Path, tmp_path: Path, field: str, value: object
) -> None:
    save_backbone(tmp_path, open_backbone(META_FILE, folder=reference_dir))
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {field: value}))

    assert "describes no network" in refusal(".", tmp_path)


@pytest.mark.parametrize("blocks", [(6,), (-1, 2)])
def test_blocks_that_the_backbone_does_not_have_are_refused(
    reference_dir: Path, blocks: tuple[int, ...]
) -> None:
    assert "has 6 blocks and cannot be read at" in refusal(META_FILE, reference_dir, blocks)
