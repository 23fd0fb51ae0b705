import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from inspection.model.ava_dino import (
    AvaDino,
    AvaDinoAnswer,
    AvaDinoConfig,
    draw_map,
    from_published_weights,
)
from inspection.model.backbone import Tap, standardise
from inspection.training.objective import Losses, losses

Seeded = Callable[..., torch.Tensor]

BATCH = 2
GRID = (32, 32)
TOLERANCE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module")
def taps(seeded: Seeded) -> list[Tap]:
    made = []
    for index in range(4):
        cls = seeded(f"features.cls.{index}", (BATCH, 1, 1024))[:, 0]
        patches = seeded(f"features.patch.{index}", (BATCH, 1024, 1024)).view(BATCH, 32, 32, 1024)
        patches[:, 8:16, 10:20] += seeded(f"features.defect.{index}", (1024,), 1.5)
        made.append(Tap(cls=cls, patches=standardise(patches.view(BATCH, 1024, 1024))))
    return made


@pytest.fixture(scope="module")
def text(seeded: Seeded) -> torch.Tensor:
    return functional.normalize(seeded("text.embedding", (BATCH, 768, 2)), dim=1)


@pytest.fixture
def head(reference_dir: Path, seeded: Seeded) -> AvaDino:
    shapes = json.loads((reference_dir / "ava-dino.weights.json").read_text())
    weights = {key: seeded(f"weights.{key}", shape, 0.03) for key, shape in shapes.items()}
    built = AvaDino(
        AvaDinoConfig(token_width=1024, adapter_width=768, text_width=768, text_stack="interleave")
    )
    built.load_state_dict(from_published_weights(weights))
    return built


def reference_losses(answer: AvaDinoAnswer) -> Losses:
    masks = torch.zeros(BATCH, 512, 512)
    masks[1, 128:256, 160:320] = 1
    return losses(answer, masks, torch.tensor([0, 1]), GRID)


def assert_terms(terms: Losses, expected: dict[str, np.ndarray], prefix: str) -> None:
    for name, value in (
        ("awareness", terms.awareness),
        ("segmentation", terms.segmentation),
        ("global", terms.image),
        ("routing", terms.routing),
        ("total", terms.total),
    ):
        np.testing.assert_allclose(value.detach(), expected[f"{prefix}_{name}"], rtol=1e-4)


def test_head_answers_what_the_published_code_answers(
    reference_dir: Path, head: AvaDino, taps: list[Tap], text: torch.Tensor
) -> None:
    expected = np.load(reference_dir / "ava-dino.npz")

    with torch.inference_mode():
        answer = head(taps, text)
        anomaly = draw_map(answer.patch_logits.unflatten(2, GRID), (512, 512))
        awareness = draw_map(answer.awareness_logits.unflatten(2, GRID), (512, 512))

    np.testing.assert_allclose(anomaly[:, ::4, ::4], expected["cross_map"], **TOLERANCE)
    np.testing.assert_allclose(awareness[:, ::4, ::4], expected["awareness_map"], **TOLERANCE)
    np.testing.assert_allclose(anomaly.amax((1, 2)), expected["image_score"], **TOLERANCE)
    np.testing.assert_allclose(answer.global_logits, expected["global_logits"], **TOLERANCE)
    np.testing.assert_allclose(answer.routing[:, 0], expected["routing_normal"], **TOLERANCE)
    np.testing.assert_allclose(answer.routing[:, 1], expected["routing_anomaly"], **TOLERANCE)


def test_losses_are_the_published_ones_before_and_after_a_step(
    reference_dir: Path, head: AvaDino, taps: list[Tap], text: torch.Tensor
) -> None:
    expected = np.load(reference_dir / "ava-dino.npz")
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-4, weight_decay=1e-2)

    before = reference_losses(head(taps, text))
    before.total.backward()
    optimiser.step()
    with torch.inference_mode():
        after = reference_losses(head(taps, text))

    assert_terms(before, expected, "loss")
    assert_terms(after, expected, "loss_after_one_step")


def test_interleaving_mixes_the_two_texts_and_stacking_does_not() -> None:
    text = torch.tensor([[[1.0, 10.0], [2.0, 20.0]]])  # (1, 2, 2)
    columns = {}
    for stack in ("interleave", "stack"):
        head = AvaDino(
            AvaDinoConfig(token_width=4, adapter_width=2, text_width=2, text_stack=stack)
        )
        for adapter in head.prompt_adapter:
            torch.nn.init.eye_(adapter.fc1.weight)

        columns[stack] = head._adapt_text(text)[0].tolist()

    assert columns["stack"] == [[1.0, 10.0], [2.0, 20.0]]
    assert columns["interleave"] == [[1.0, 2.0], [10.0, 20.0]]


def test_draw_map_is_the_mean_of_the_taps_probabilities() -> None:
    grid = torch.tensor([0.0, 100.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)

    drawn = draw_map(grid, (6, 8))

    torch.testing.assert_close(drawn, torch.full((1, 6, 8), 0.75))
