from collections.abc import Callable
from pathlib import Path

import pytest

from inspection.errors import CheckpointError
from inspection.model.backbone import IMAGENET, SATELLITE
from inspection.model.fingerprint import fingerprint
from inspection.model.pretrained.backbone import open_backbone, save_backbone
from tests.unit.model.pretrained.conftest import Hub

CLOSED = "facebook/dinov3-vits16-pretrain-lvd1689m"
OPEN = "timm/vit_small_patch16_dinov3.lvd1689m"


def message_of(source: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_backbone(source, folder=Path("/nowhere"))
    return str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_backbone_behind_a_licence_says_what_to_accept_and_how_to_go_on(
    hub: Hub, status: int
) -> None:
    hub.refused[CLOSED] = (status, "GatedRepo")

    message = message_of(CLOSED)

    assert f"accept its licence at https://huggingface.co/{CLOSED}" in message
    assert "hf auth login" in message
    assert "put its config.json and model.safetensors into a folder" in message
    assert "go on without network with 'pocket'" in message
    assert "\n" not in message


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["facebook/dinov3-vitx16", "not--a/name"])
def test_backbone_that_the_hub_does_not_know_says_so(name: str) -> None:
    message = message_of(name)

    assert f"the Hub shows you no repository {name}: correct the name" in message
    assert "'pocket'" in message


def test_backbone_with_weights_in_several_files_says_which_sizes_can_be_opened(hub: Hub) -> None:
    (hub.files / CLOSED).mkdir(parents=True)
    (hub.files / CLOSED / "config.json").write_text("{}")

    assert "has no model.safetensors" in message_of(CLOSED)


@pytest.mark.usefixtures("hub")
def test_backbone_that_was_never_downloaded_says_so_without_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    message = message_of(CLOSED)

    assert (
        f"config.json of {CLOSED} is not on this machine and the Hub cannot be reached" in message
    )
    assert "'pocket'" in message


def test_backbone_behind_a_proxy_that_lets_nothing_through_says_so(hub: Hub) -> None:
    hub.refused[CLOSED] = (407, "ProxyAuthenticationRequired")

    assert "is not on this machine and the Hub cannot be reached" in message_of(CLOSED)


def test_backbone_of_timm_is_downloaded_once_and_found_again_without_network(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    timm_model: Callable[..., object],
    save_timm: Callable[..., None],
) -> None:
    save_timm(hub.files / OPEN, timm_model())
    first = open_backbone(OPEN, folder=Path("/nowhere"))

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = open_backbone(OPEN, folder=Path("/nowhere"))

    assert fingerprint(again) == fingerprint(first)
    assert again.normalisation == IMAGENET


def test_backbone_of_meta_is_downloaded_with_what_its_images_are_normalised_with(
    hub: Hub, tmp_path: Path, timm_model: Callable[..., object], save_timm: Callable[..., None]
) -> None:
    save_timm(
        tmp_path / "sat493m",
        timm_model(),
        pretrained_cfg={"mean": [0.43, 0.411, 0.296], "std": [0.213, 0.156, 0.143]},
    )
    satellite = open_backbone("./sat493m", folder=tmp_path)
    save_backbone(hub.files / CLOSED, satellite)

    backbone = open_backbone(CLOSED, folder=tmp_path)

    assert backbone.normalisation == SATELLITE
