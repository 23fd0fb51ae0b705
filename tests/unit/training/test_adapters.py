"""Training of adapters: it learns, it resumes exactly, and it stops when it must."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from inspection.errors import TrainingError
from inspection.model.backbone import Backbone
from inspection.model.head import draw_map
from inspection.model.methods import METHODS, Head, head_config, make_head
from inspection.training.adapters import AdapterTraining
from inspection.training.datasets import Sample, open_dataset
from inspection.training.features import Extraction, Features, extract
from inspection.training.pixels import pixel_figures
from inspection.training.plan import Epoch, Group, Plan

PLAN = Plan(epochs_count=3, batch_count=8, chunk_count=4, validation_share=0.25)


@pytest.fixture(scope="module")
def features(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], tmp_path_factory: pytest.TempPathFactory
) -> Features:
    cache = tmp_path_factory.mktemp("features")
    return extract(tiny_backbone, samples, Extraction(image_size_px=64, cache=cache))


@pytest.fixture(scope="module")
def texts(samples: tuple[Sample, ...]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        product: torch.nn.functional.normalize(torch.randn(24, 2, generator=generator), dim=0)
        for product in sorted({sample.product for sample in samples})
    }


def new_head(method: str = "ava-dino") -> Head:
    torch.manual_seed(11)
    return make_head(head_config(method, token_width=32, text_width=24, taps_count=4))


def training(
    features: Features, texts: dict[str, Tensor], plan: Plan = PLAN, method: str = "ava-dino"
) -> AdapterTraining:
    return AdapterTraining(new_head(method), features, texts, plan)


def flat(weights: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in weights.values()])


@pytest.fixture(scope="module")
def stained_plates(tiny_backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Features:
    """Grey plates, half of them with a bright square that is as fine as patches can tell."""
    folder, size_px = tmp_path_factory.mktemp("plates"), 128
    rng = np.random.default_rng(0)
    for kind in ("test/good", "test/stain", "ground_truth/stain"):
        (folder / "plate" / kind).mkdir(parents=True)
    for number in range(6):
        plate = rng.integers(90, 110, (size_px, size_px, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"plate/test/good/{number:03}.png"), plate)
        mask = np.zeros((size_px, size_px), np.uint8)
        top, left = 16 * rng.integers(0, 6, 2)
        mask[top : top + 32, left : left + 32] = 255
        cv2.imwrite(str(folder / f"plate/ground_truth/stain/{number:03}_mask.png"), mask)
        plate[mask > 0] = 250 - plate[mask > 0]
        cv2.imwrite(str(folder / f"plate/test/stain/{number:03}.png"), plate)
    plates = open_dataset("folder", folder).samples
    return extract(tiny_backbone, plates, Extraction(image_size_px=size_px, cache=folder))


@pytest.mark.parametrize("method", METHODS)
def test_training_overfits_a_tiny_set_to_nearly_perfect_maps(
    stained_plates: Features, tmp_path: Path, method: str
) -> None:
    features, text = stained_plates, torch.eye(24)[:, :2]
    plan = Plan(epochs_count=60, batch_count=12, rate=3e-3, validation_share=0, patience_epochs=0)
    made = training(features, {"plate": text}, plan, method)

    made.run(tmp_path / "state.pt")

    head = new_head(method)
    head.load_state_dict(made.best)
    with torch.inference_mode():
        logits = head(features.taps(features.rows), text.expand(12, 24, 2)).patch_logits
        maps = draw_map(logits.unflatten(2, features.grid), (128, 128)).numpy()
    figures = pixel_figures(maps, features.masks(features.rows).numpy() > 0)
    # The edge of a square cannot be exact: the map is drawn through the middles of patches.
    assert figures["p_auroc"] > 0.99
    assert figures["p_ap"] > 0.9
    worst = maps.max(axis=(1, 2))
    assert worst[features.labels == 1].min() > worst[features.labels == 0].max()


@pytest.mark.parametrize("ended_after_steps", [1, 3, 4])
def test_training_that_was_ended_goes_on_to_the_same_bits(
    features: Features, texts: dict[str, Tensor], tmp_path: Path, ended_after_steps: int
) -> None:
    whole = training(features, texts)
    whole.run(tmp_path / "whole.pt")

    def end(step: int, _count: int) -> None:
        if step == ended_after_steps:
            raise KeyboardInterrupt

    # A clock that leaps: the state is written after every step.
    leaping = map(float, range(0, 10**6, 1000)).__next__
    with pytest.raises(KeyboardInterrupt):
        training(features, texts).run(tmp_path / "state.pt", on_step=end, clock_s=leaping)
    successor = training(features, texts)
    successor.run(tmp_path / "state.pt")

    assert torch.equal(flat(successor.best), flat(whole.best))
    assert torch.equal(flat(successor.head.state_dict()), flat(whole.head.state_dict()))
    assert successor.history == whole.history


def test_training_is_the_same_with_smaller_chunks_in_memory(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    whole = training(features, texts, replace(PLAN, chunk_count=8))
    whole.run(tmp_path / "whole.pt")
    pieces = training(features, texts, replace(PLAN, chunk_count=3))
    pieces.run(tmp_path / "pieces.pt")

    torch.testing.assert_close(flat(pieces.best), flat(whole.best), rtol=0, atol=1e-4)


def test_training_does_not_learn_from_the_images_that_choose_the_epoch(
    features: Features, texts: dict[str, Tensor]
) -> None:
    made = training(features, texts)

    learnt, choosing = set(made._training.tolist()), set(made._validation.tolist())

    assert not learnt & choosing
    assert learnt | choosing == set(features.rows.tolist())
    assert {features.samples[row].category for row in choosing} == {
        sample.category for sample in features.samples
    }
    assert {features.samples[row].is_anomalous for row in choosing} == {True, False}


def test_training_keeps_the_epoch_with_the_smallest_validation_loss_and_then_ends(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    plan = replace(PLAN, epochs_count=200, rate=3e-2, patience_epochs=2)
    made = training(features, texts, plan)
    seen: list[Epoch] = []

    made.run(tmp_path / "state.pt", on_epoch=seen.append)

    smallest = min(made.history, key=lambda epoch: epoch.validation_loss)
    assert made.best_epoch == smallest.number
    assert len(made.history) == smallest.number + 2 < 200
    assert tuple(seen) == made.history


def test_training_with_a_loss_that_is_no_number_stops_and_keeps_the_last_good_adapters(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    made = training(features, texts, replace(PLAN, epochs_count=2))
    good: list[Tensor] = []

    def spoil(_epoch: Epoch) -> None:
        good.append(flat(made.best))
        with torch.no_grad():
            next(made.head.parameters()).fill_(torch.nan)

    with pytest.raises(TrainingError, match="the adapters of epoch 1 are kept"):
        made.run(tmp_path / "state.pt", on_epoch=spoil)

    assert torch.equal(flat(made.best), good[0])
    assert torch.isfinite(good[0]).all()


def test_training_does_not_take_up_the_state_of_another(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    training(features, texts).run(tmp_path / "state.pt")

    with pytest.raises(TrainingError, match="belongs to a training with other"):
        training(features, texts, replace(PLAN, rate=2e-3)).run(tmp_path / "state.pt")


def test_training_names_a_state_that_cannot_be_read(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    (tmp_path / "state.pt").write_bytes(b"half a state")

    with pytest.raises(TrainingError, match=r"state\.pt cannot be read"):
        training(features, texts).run(tmp_path / "state.pt")


def test_training_on_good_images_alone_is_refused(
    features: Features, texts: dict[str, Tensor]
) -> None:
    good = features.among({features.samples[0].category})
    good.rows = np.asarray([row for row in good.rows if not features.labels[row]])

    with pytest.raises(TrainingError, match="all 6 images are normal"):
        training(good, texts)


def test_training_warms_up_from_nothing_and_then_stays_at_its_rate(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    made = training(features, texts, replace(PLAN, warm_up_share=0.5, patience_epochs=0))
    rates: list[float] = []

    made.run(
        tmp_path / "state.pt",
        on_step=lambda _step, _count: rates.append(made._optimiser.param_groups[0]["lr"]),
    )

    assert len(rates) == 9
    np.testing.assert_allclose(rates, PLAN.rate * np.array([0, 1, 2, 3, 4, 4, 4, 4, 4]) / 4)


def test_training_does_not_take_up_a_state_with_other_texts(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    training(features, texts).run(tmp_path / "state.pt")
    others = {product: columns.flip(1) for product, columns in texts.items()}

    with pytest.raises(TrainingError, match="belongs to a training with other"):
        training(features, others).run(tmp_path / "state.pt")


def test_training_with_a_validation_loss_that_is_no_number_stops(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    made = training(features, texts)
    row = int(made._validation[0])
    spoilt = features.among({sample.category for sample in features.samples})
    spoilt._patches = np.array(features._patches)
    spoilt._patches[row] = np.nan
    made._features = spoilt

    with pytest.raises(TrainingError, match=r"validation loss is nan.* nothing to keep yet"):
        made.run(tmp_path / "state.pt")


def test_more_processes_than_images_in_a_step_are_refused(
    features: Features, texts: dict[str, Tensor]
) -> None:
    with pytest.raises(TrainingError, match="9 processes share steps of 8"):
        AdapterTraining(new_head(), features, texts, PLAN, group=Group(rank=0, size=9))


def test_state_that_cannot_be_written_is_told(
    features: Features, texts: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="the state cannot be written to"):
        training(features, texts).run(tmp_path / "nowhere" / "state.pt")
