"""`inspection checkpoint create`: a backbone that scores by references alone."""

from pathlib import Path

import pytest

from tests.integration.cli.console import Console, together
from tests.tiny import save_tiny

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("detector")) / "backbone"


def test_created_checkpoint_is_shown_and_verified(
    torch_console: Console, backbone: Path, tmp_path: Path
) -> None:
    options = ["--backbone", backbone, "--references-only", "--size", "64", "--name", "line-3"]

    made = torch_console.data("checkpoint", "create", *options, "--out", tmp_path / "bare")

    shown = torch_console.data("checkpoint", "show", tmp_path / "bare")
    verified = torch_console.data("checkpoint", "verify", tmp_path / "bare")
    assert (shown["name"], shown["method"], shown["image_size_px"]) == ("line-3", "references", 64)
    assert shown["text"] is shown["head"] is verified["text"] is None
    assert shown["content_hash"] == verified["content_hash"] == made["content_hash"]
    assert made["content_hash"] in shown["card"]


def test_create_refuses_what_cannot_be_created(
    torch_console: Console, backbone: Path, tmp_path: Path
) -> None:
    def ending(*options: object) -> tuple[Console, list[object]]:
        return torch_console, ["checkpoint", "create", "--out", tmp_path / "bare", *options]

    ended = together(
        [
            ending("--backbone", backbone),
            ending("--backbone", backbone, "--references-only", "--size", "100"),
            ending("--backbone", "/nowhere", "--references-only"),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 1]
    assert "say --references-only" in ended[0].sentence
    assert "the image size 100 is no multiple of 16" in ended[1].sentence
    assert "/nowhere" in ended[2].sentence
    assert not (tmp_path / "bare").exists()
