"""Files of the published codes become checkpoint folders."""

from pathlib import Path

import pytest
import torch

from inspection.errors import CheckpointError
from inspection.model.checkpoint import load_checkpoint
from inspection.model.methods import METHODS, PUBLISHED, method_of
from inspection.training.conversion import Conversion, convert
from tests.published import PARTS, published_file


def conversion(file: Path, detector: Path) -> Conversion:
    return Conversion(
        file=file,
        name="published",
        backbone=str(detector / "backbone"),
        text=str(detector / "text"),
        image_size_px=64,
    )


@pytest.mark.parametrize("method", METHODS)
def test_published_file_becomes_a_checkpoint_that_computes_what_it_computed(
    tmp_path: Path, tiny_detector_folder: Path, method: str
) -> None:
    file = published_file(tmp_path, method)

    content_hash = convert(conversion(file, tiny_detector_folder), tmp_path / "out")

    loaded = load_checkpoint(tmp_path / "out")
    assert loaded.content_hash == content_hash
    assert method_of(loaded.config.head) == method
    assert all(getattr(loaded.config.head, k) == v for k, v in PUBLISHED[method].items())
    saved = torch.load(file, weights_only=True)
    part = PARTS[method][-1]
    found = getattr(loaded.network.head, part)[2].fc1.weight
    assert torch.equal(found, saved[part]["2.fc1.0.weight"])
    assert content_hash in (tmp_path / "out" / "card.md").read_text()


def test_file_for_a_backbone_of_another_width_is_refused(
    tmp_path: Path, tiny_detector_folder: Path
) -> None:
    file = published_file(tmp_path, "ad-dinov3", tokens=48)

    with pytest.raises(CheckpointError, match="fit no head of ad-dinov3 on tokens of width 32"):
        convert(conversion(file, tiny_detector_folder), tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["rubbish", "tensor", "other network", "program"])
def test_file_that_is_of_neither_code_is_refused_in_one_sentence(
    tmp_path: Path, tiny_detector_folder: Path, content: str
) -> None:
    file = tmp_path / "epoch_0.pth"
    match content:
        case "rubbish":
            file.write_bytes(b"neither here nor there")
        case "tensor":
            torch.save(torch.zeros(3), file)
        case "other network":
            torch.save({"model": {"weight": torch.zeros(3)}}, file)
        case _:
            torch.save({"prompt_adapter": Path("/")}, file)

    with pytest.raises(CheckpointError, match=r"epoch_0\.pth") as caught:
        convert(conversion(file, tiny_detector_folder), tmp_path / "out")

    assert "\n" not in str(caught.value)


def test_file_that_is_not_there_is_named(tmp_path: Path, tiny_detector_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth is missing"):
        convert(conversion(tmp_path / "nowhere.pth", tiny_detector_folder), tmp_path / "out")


def test_checkpoint_that_is_there_is_not_overwritten(
    tmp_path: Path, tiny_detector_folder: Path
) -> None:
    made = conversion(published_file(tmp_path, "ad-dinov3"), tiny_detector_folder)
    convert(made, tmp_path / "out")

    with pytest.raises(CheckpointError, match="holds a finished checkpoint"):
        convert(made, tmp_path / "out")


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, tiny_detector_folder: Path) -> None:
    made = conversion(published_file(tmp_path, "ad-dinov3"), tiny_detector_folder)
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError, match="cannot be written"):
        convert(made, tmp_path / "file" / "out")
