"""Where replicas are told to find the parts of their detector."""

from pathlib import Path

import pytest

from inspection.cli.weights import Weights, finding, found
from inspection.model.checkpoint_folder import resolve_checkpoint
from inspection.settings import Settings


def test_parts_are_named_so_that_replicas_find_them_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights" / "backbone").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    settings = Settings(backbone="weights/backbone", text_tower="pocket", data_dir=Path("data"))

    assert found(settings) == Weights(
        checkpoint=str(resolve_checkpoint("pocket")),
        backbone=str(tmp_path / "weights" / "backbone"),
        text="pocket",
        cache=str(tmp_path / "data" / "cache"),
    )


def test_parts_of_a_cluster_are_left_as_they_are_set() -> None:
    settings = Settings(
        ray_address="10.0.0.7:6379", checkpoint="/nfs/visa", backbone="/nfs/dinov3.pth"
    )

    assert found(settings) == Weights(
        checkpoint="/nfs/visa", backbone="/nfs/dinov3.pth", text=None, cache=None
    )
    assert finding(settings) == "/nfs/visa, on the cluster"
