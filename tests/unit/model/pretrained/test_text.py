import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from inspection.errors import CheckpointError
from inspection.model.fingerprint import fingerprint
from inspection.model.pretrained.text import open_text_tower, save_text_tower
from inspection.model.text import TextTower, TextTowerConfig

SIZES: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
SENTENCES = ("a photo of a metal nut.", "a photo of the metal nut with a missing screw.")


@pytest.fixture(scope="module", autouse=True)
def known_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tiny models by names that open_clip knows."""
    folder = tmp_path_factory.mktemp("models")
    for name, extra in {
        "Tiny": {},
        "Tiny-quickgelu": {"quick_gelu": True},
        "Tiny-custom": {"custom_text": True},
        "Tiny-foreign": {"text_cfg": {**SIZES["text_cfg"], "pool_type": "last"}},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(SIZES | extra))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    open_clip.factory._rescan_model_configs()


def clip(name: str) -> Any:
    torch.manual_seed(5)
    model = open_clip.create_model(name).eval()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    return model


def refusal(source: str, folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_text_tower(source, folder=folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["Tiny", "Tiny-quickgelu", "Tiny-custom"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_tower_of_a_models_weights_encodes_as_open_clip_does(
    tmp_path: Path, name: str, suffix: str
) -> None:
    model = clip(name)
    if suffix == ".pt":
        torch.save(model.state_dict(), tmp_path / "clip.pt")
    else:
        save_file(model.state_dict(), tmp_path / "clip.safetensors")

    tower = open_text_tower(f"{name}@./clip{suffix}", folder=tmp_path)

    tokens = tower.tokenise(SENTENCES)
    with torch.inference_mode():
        expected = functional.normalize(model.encode_text(tokens), dim=-1)
        torch.testing.assert_close(tower(tokens), expected)


def test_tower_of_a_training_checkpoint_is_opened(tmp_path: Path) -> None:
    model = clip("Tiny")
    weights = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "epoch_3.pt")

    tower = open_text_tower("Tiny@epoch_3.pt", folder=tmp_path)

    torch.testing.assert_close(tower.transformer.text_projection, model.text_projection)


class Archive(torch.nn.Module):
    """Weights and a number as OpenAI's archives hold them, in half precision."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.token_embedding = model.token_embedding
        self.positional_embedding = model.positional_embedding
        self.transformer = model.transformer
        self.ln_final = model.ln_final
        self.text_projection = model.text_projection
        self.register_buffer("context_length", torch.tensor(24))

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        return self.token_embedding(token) @ self.text_projection


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_tower_of_a_torchscript_archive_is_opened(tmp_path: Path) -> None:
    model = clip("Tiny-quickgelu")
    archive = Archive(model)
    traced = torch.jit.trace(archive, torch.zeros(1, 3, dtype=torch.long), check_trace=False)
    traced.save(tmp_path / "ViT-tiny.pt")

    tower = open_text_tower(f"Tiny-quickgelu@{tmp_path / 'ViT-tiny.pt'}", folder=Path("/nowhere"))

    tokens = tower.tokenise(SENTENCES)
    with torch.inference_mode():
        expected = functional.normalize(model.encode_text(tokens), dim=-1)
        torch.testing.assert_close(tower(tokens), expected)


def test_plain_name_answers_otherwise_than_the_name_that_clip_was_trained_with(
    tmp_path: Path,
) -> None:
    torch.save(clip("Tiny").state_dict(), tmp_path / "clip.pt")

    plain, quick = (
        open_text_tower(f"{name}@clip.pt", folder=tmp_path) for name in ("Tiny", "Tiny-quickgelu")
    )

    tokens = plain.tokenise(SENTENCES)
    with torch.inference_mode():
        assert (plain(tokens) - quick(tokens)).abs().max() > 1e-4
    assert fingerprint(plain) != fingerprint(quick)


def test_tower_is_frozen_and_keeps_nothing_of_the_visual_half(tmp_path: Path) -> None:
    torch.save(clip("Tiny").half().state_dict(), tmp_path / "clip.pt")

    tower = open_text_tower("Tiny@clip.pt", folder=tmp_path)

    assert not tower.training
    assert {(p.dtype, p.requires_grad) for p in tower.parameters()} == {(torch.float32, False)}
    assert not [name for name, _ in tower.named_parameters() if "visual" in name]


def test_saved_tower_is_opened_again_and_makes_the_same_bytes_twice(tmp_path: Path) -> None:
    config = TextTowerConfig(
        width=16, heads=2, layers=1, context_length=24, output_width=24, quick_gelu=True
    )
    tower = TextTower(config).eval()
    save_text_tower(tmp_path / "text", tower)
    first = hashlib.sha256((tmp_path / "text" / "model.safetensors").read_bytes()).hexdigest()

    opened = open_text_tower("./text", folder=tmp_path)
    save_text_tower(tmp_path / "text", opened)

    assert opened.config == config
    tokens = tower.tokenise(SENTENCES)
    with torch.inference_mode():
        torch.testing.assert_close(opened(tokens), tower(tokens), rtol=0, atol=5e-3)
    again = hashlib.sha256((tmp_path / "text" / "model.safetensors").read_bytes()).hexdigest()
    assert again == first


def test_pocket_is_opened_from_the_package(tmp_path: Path) -> None:
    tower = open_text_tower("pocket", folder=tmp_path)

    assert tower.config.output_width == 64


def test_tower_of_no_known_kind_lists_the_kinds(tmp_path: Path) -> None:
    assert "'clip' names no text tower: take 'pocket'" in refusal("clip", tmp_path)


def test_tower_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'text' / 'config.json'} is missing" in refusal("./text", tmp_path)
    assert f"{tmp_path / 'clip.pt'} is missing" in refusal("Tiny@./clip.pt", tmp_path)


def test_tower_without_weights_of_that_name_lists_those_there_are(tmp_path: Path) -> None:
    message = refusal("ViT-L-14-336-quickgelu@laion", tmp_path)

    assert "no weights 'laion'" in message
    assert "(openai)" in message


@pytest.mark.usefixtures("hub")
def test_tower_that_was_never_downloaded_says_how_to_go_on(tmp_path: Path) -> None:
    message = refusal("ViT-L-14-336-quickgelu@openai", tmp_path)

    assert "cannot be downloaded" in message
    assert "ViT-L-14-336-quickgelu@/its/path" in message
    assert "go on without network with 'pocket'" in message


def test_tower_of_another_kind_than_clips_is_refused(tmp_path: Path) -> None:
    assert "is not like CLIP's (pool_type)" in refusal("Tiny-foreign@x.pt", tmp_path)


def test_weights_of_another_size_are_refused_by_name(tmp_path: Path) -> None:
    torch.save(clip("Tiny").state_dict(), tmp_path / "clip.pt")

    message = refusal("ViT-B-32@clip.pt", tmp_path)

    assert "clip.pt does not fit its network: the tensor" in message


def test_file_without_a_text_tower_is_refused(tmp_path: Path) -> None:
    torch.save({"visual.proj": torch.ones(1)}, tmp_path / "clip.pt")

    assert "holds no text tower" in refusal("Tiny@clip.pt", tmp_path)


@pytest.mark.parametrize("described", [{"width": 16}, {"width": 16, "depth": 2}])
def test_folder_that_describes_no_tower_is_refused(
    tmp_path: Path, described: dict[str, int]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(described))

    assert "describes no text tower" in refusal(".", tmp_path)


def test_folder_with_a_width_that_its_heads_do_not_divide_is_refused(tmp_path: Path) -> None:
    config = TextTowerConfig(width=16, heads=2, layers=1, context_length=24, output_width=24)
    save_text_tower(tmp_path, TextTower(config))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"heads": 3}))

    assert "describes no text tower" in refusal(".", tmp_path)
