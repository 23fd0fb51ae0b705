"""Checkpoints that need no training, and adapters that are added to them."""

from pathlib import Path

import numpy as np
import pytest

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, ConfigurationError, ReferenceMissingError
from inspection.model.checkpoint import load_checkpoint
from inspection.model.detector import Detector
from inspection.model.reference import build_reference
from inspection.training.adaptation import Adaptation, Adapted, Watch, adapt
from inspection.training.creation import Creation, create
from inspection.training.datasets import open_dataset
from inspection.training.features import Extraction
from inspection.training.plan import Plan
from inspection.training.verification import verify
from tests.tiny import save_tiny


def creation(detector: Path, image_size_px: int = 64) -> Creation:
    return Creation(name="line-3", backbone=str(detector / "backbone"), image_size_px=image_size_px)


@pytest.fixture
def bare(tiny_detector_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint for references alone."""
    create(creation(tiny_detector_folder), tmp_path / "bare")
    return tmp_path / "bare"


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def trained(detector: Path, parts: Path, out: Path, image_size_px: int = 64) -> Adapted:
    """Train adapters for one epoch."""
    adaptation = Adaptation(
        name=out.name,
        method="ava-dino",
        backbone=str(detector / "backbone"),
        text=str(detector / "text"),
        datasets=[open_dataset("mvtec-ad", parts)],
        extraction=Extraction(image_size_px=image_size_px, cache=out.parent / "cache"),
        plan=Plan(epochs_count=1, batch_count=8),
        command="inspection train",
    )
    return adapt(adaptation, out, Watch())


def test_checkpoint_for_references_alone_is_whole_and_says_what_it_is(bare: Path) -> None:
    found = verify(str(bare), backbone=None, text=None)

    assert found.text is None
    assert found.content_hash in (bare / "card.md").read_text()


def test_checkpoint_for_references_alone_scores_beside_a_reference_only(
    bare: Path, picture: np.ndarray
) -> None:
    detector = Detector.load(bare, device="cpu", threads=1)
    surveys = detector.survey([picture], [Recipe()])
    reference = build_reference(detector.checkpoint_hash, surveys)

    (scored,) = detector.score([picture], [Recipe()], [reference])

    assert 0 <= scored.score <= 1
    with pytest.raises(ReferenceMissingError):
        detector.score([picture], [Recipe()])


def test_checkpoint_is_created_alike_twice(
    bare: Path, tiny_detector_folder: Path, tmp_path: Path
) -> None:
    again = create(creation(tiny_detector_folder), tmp_path / "again")

    assert again == load_checkpoint(bare).content_hash


def test_image_size_that_the_patches_do_not_fill_is_refused(
    tiny_detector_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="the image size 100 is no multiple of 16"):
        create(creation(tiny_detector_folder, image_size_px=100), tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_folder_of_another_checkpoint_is_not_written(
    tiny_detector_folder: Path, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other")

    with pytest.raises(CheckpointError, match="holds a finished checkpoint"):
        create(creation(tiny_detector_folder), other)


def test_adapters_are_added_to_a_checkpoint_for_references_alone(
    bare: Path, tiny_detector_folder: Path, rendered_parts: Path
) -> None:
    before = load_checkpoint(bare)

    adapted = trained(tiny_detector_folder, rendered_parts, bare)

    after = load_checkpoint(bare)
    assert after.content_hash == adapted.content_hash != before.content_hash
    assert after.config.head is not None
    assert after.config.backbone == before.config.backbone
    assert after.config.name == "line-3"


def test_reference_from_before_adapters_were_added_is_refused(
    bare: Path, tiny_detector_folder: Path, rendered_parts: Path, picture: np.ndarray
) -> None:
    before = Detector.load(bare, device="cpu", threads=1)
    reference = build_reference(before.checkpoint_hash, before.survey([picture], [Recipe()]))
    trained(tiny_detector_folder, rendered_parts, bare)
    after = Detector.load(bare, device="cpu", threads=1)

    with pytest.raises(CheckpointError):
        after.score([picture], [Recipe()], [reference])


def test_adapters_for_another_backbone_are_not_added(
    bare: Path, rendered_parts: Path, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other", seed=8)

    with pytest.raises(CheckpointError, match="is another: train with that one"):
        trained(other, rendered_parts, bare)

    assert load_checkpoint(bare).config.head is None


def test_adapters_for_another_image_size_are_not_added(
    bare: Path, tiny_detector_folder: Path, rendered_parts: Path
) -> None:
    with pytest.raises(CheckpointError, match="train with --image-size 64"):
        trained(tiny_detector_folder, rendered_parts, bare, image_size_px=128)


def test_checkpoint_that_has_adapters_is_not_added_to(
    bare: Path, tiny_detector_folder: Path, rendered_parts: Path
) -> None:
    trained(tiny_detector_folder, rendered_parts, bare)

    with pytest.raises(CheckpointError, match="holds a finished checkpoint"):
        trained(tiny_detector_folder, rendered_parts, bare)
