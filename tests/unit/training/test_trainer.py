from pathlib import Path

import numpy as np
import pytest
import torch

from inspection.model.backbone import IMAGENET
from inspection.model.preprocessing import normalise
from inspection.training.schedule import Schedule
from inspection.training.synthesis import Examples
from inspection.training.trainer import Trainer, coarse_masks, start_from_principal_patches
from tests.tiny import TINY

SCHEDULE = Schedule(
    steps_count=60,
    windows_count=8,
    wholes_count=4,
    window_px=32,
    warm_up_count=2,
    sentences_count=2,
)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Flat parts; the defective ones have a bright square."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(80, 120, (16, 64, 64, 3), dtype=np.uint8)
    masks = np.zeros((16, 64, 64), dtype=np.uint8)
    for row in range(1, 16, 2):
        top, left = rng.integers(0, 48, size=2)
        masks[row, top : top + 16, left : left + 16] = 1
    pictures[masks == 1] = 250
    return Examples(
        pictures=pictures, masks=masks, products=("nut",) * 16, defects=("", "stain") * 8
    )


def trainer() -> Trainer:
    return Trainer(TINY, SCHEDULE)


def weights(made: Trainer) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in made.averaged.state_dict().values()])


def test_trainer_says_how_much_of_its_schedule_is_done(examples: Examples) -> None:
    made = trainer()

    for _ in range(3):
        made.step(examples)

    assert (made.steps_count, made.progress) == (3, 0.05)


def test_trainer_learns_to_tell_defective_from_good(examples: Examples) -> None:
    made = trainer()
    start_from_principal_patches(made.network, normalise(examples.pictures, IMAGENET), seed=0)

    patch_terms = [made.step(examples)["patch"] for _ in range(25)]

    assert np.mean(patch_terms[-5:]) < 0.7 * np.mean(patch_terms[:5])


def test_trainer_goes_on_from_its_state_as_if_it_had_never_stopped(
    examples: Examples, tmp_path: Path
) -> None:
    whole = trainer()
    for _ in range(3):
        whole.step(examples)
    stopped = trainer()
    stopped.step(examples)
    stopped.save(tmp_path / "state.pt")

    resumed = trainer()
    resumed.restore(tmp_path / "state.pt")
    for _ in range(2):
        resumed.step(examples)

    assert resumed.steps_count == 3
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=1e-6)


def test_trainer_leaves_no_half_written_state(tmp_path: Path) -> None:
    made = trainer()

    made.save(tmp_path / "state.pt")
    made.save(tmp_path / "state.pt")

    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_principal_patches_give_channels_of_comparable_size(examples: Examples) -> None:
    made = trainer()
    pictures = normalise(examples.pictures, IMAGENET)

    start_from_principal_patches(made.network, pictures, seed=0)

    embedding = made.network.backbone.vit.embeddings.patch_embeddings
    with torch.inference_mode():
        deviations = embedding(pictures).std(dim=(0, 2, 3))
    assert deviations.max() < 3
    assert deviations.min() > 0.05


def test_coarse_masks_keep_a_thin_defect() -> None:
    mask = np.zeros((1, 16, 16), dtype=np.bool_)
    mask[0, 5] = True

    coarse = coarse_masks(mask, 4)

    assert coarse[0].tolist() == [[0] * 4, [1] * 4, [0] * 4, [0] * 4]
