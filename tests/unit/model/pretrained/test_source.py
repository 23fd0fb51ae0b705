from pathlib import Path

import pytest

from inspection.model.pretrained.source import is_repository, path_of

FOLDER = Path("/checkpoints/mine")


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("./backbone", FOLDER / "backbone"),
        ("../shared/backbone", FOLDER / "../shared/backbone"),
        (".", FOLDER),
        ("dinov3_vitl16.pth", FOLDER / "dinov3_vitl16.pth"),
        ("/weights/dinov3", Path("/weights/dinov3")),
    ],
)
def test_path_is_seen_from_the_folder(source: str, path: Path) -> None:
    assert path_of(source, FOLDER) == path


@pytest.mark.parametrize(
    "source", ["pocket", "timm/vit_large_patch16_dinov3.lvd1689m", "ViT-L-14@openai"]
)
def test_name_is_no_path(source: str) -> None:
    assert path_of(source, FOLDER) is None


@pytest.mark.parametrize(
    ("source", "answer"),
    [("timm/vit_small.lvd1689m", True), ("pocket", False), ("a/b/c", False), ("a b/c", False)],
)
def test_repository_has_an_owner_and_a_name(source: str, answer: bool) -> None:
    assert is_repository(source) == answer
