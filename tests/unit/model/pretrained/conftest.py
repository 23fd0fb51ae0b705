"""Backbones and text towers of a few thousand weights, and a Hub on the loopback."""

import json
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.layers import LayerNorm
from timm.models.eva import Eva

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What a Hub on the loopback answers."""

    url: str
    #: Folder with one folder per repository, `owner/name`.
    files: Path
    #: Status and reason that a repository is refused with.
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)

    def answer(self, address: str) -> tuple[int, str, bytes]:
        """Return status, the reason for refusing, and content."""
        repository, _, file_name = address.lstrip("/").partition("/resolve/main/")
        path = self.files / repository / file_name
        if repository in self.refused:
            return *self.refused[repository], b""
        if path.is_file():
            return 200, "", path.read_bytes()
        return 404, "EntryNotFound" if path.parent.is_dir() else "RepoNotFound", b""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def _answer(self, *, has_body: bool) -> None:
            status, reason, body = hub.answer(self.path)
            self.send_response(status)
            self.send_header("X-Error-Code", reason)
            self.send_header("ETag", f'"{zlib.crc32(body)}"')
            self.send_header("X-Repo-Commit", _COMMIT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if has_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that the client talks to, with an empty cache and nobody logged in."""
    described = Hub(url="", files=tmp_path / "hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(described))
    described.url = f"http://127.0.0.1:{server.server_port}"
    template = described.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield described
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def timm_model() -> Callable[..., Eva]:
    """Makes timm's own DINOv3 of tiny size, with random weights."""

    def make(*, has_bias: bool = False, is_gated: bool = False) -> Eva:
        torch.manual_seed(1)
        model = Eva(
            img_size=64,
            patch_size=16,
            embed_dim=64,
            depth=4,
            num_heads=2,
            qkv_bias=has_bias,
            init_values=0.5,
            rope_type="dinov3",
            rope_temperature=100,
            rope_rotate_half=True,
            use_rot_pos_emb=True,
            use_abs_pos_emb=False,
            num_reg_tokens=4,
            use_fc_norm=False,
            num_classes=0,
            dynamic_img_size=True,
            norm_layer=partial(LayerNorm, eps=1e-5),
            swiglu_mlp=is_gated,
            swiglu_align_to=8 if is_gated else 0,
        )
        for parameter in model.parameters():
            parameter.data += torch.randn_like(parameter) * 0.1
        return model.eval()

    return make


@pytest.fixture
def save_timm() -> Callable[..., None]:
    """Writes a model as timm's repositories on the Hub are laid out."""

    def write(folder: Path, model: Eva, **described: object) -> None:
        folder.mkdir(parents=True)
        save_file(
            {name: t.contiguous() for name, t in model.state_dict().items()},
            folder / "model.safetensors",
        )
        config = {"architecture": "vit_small_patch16_dinov3", "model_args": {"num_heads": 2}}
        (folder / "config.json").write_text(json.dumps(config | described))

    return write
