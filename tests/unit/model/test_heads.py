"""Both heads against what the published codes answer, and what they share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from inspection.errors import ConfigurationError
from inspection.model.ad_dinov3 import AdDinov3, AdDinov3Config
from inspection.model.ava_dino import AvaDino, AvaDinoConfig
from inspection.model.backbone import Tap, standardise
from inspection.model.head import HeadAnswer, TextAdapters, draw_map, from_published_weights
from inspection.training.objective import Losses, losses

Seeded = Callable[..., torch.Tensor]
Head = AvaDino | AdDinov3

BATCH = 2
GRID = (32, 32)
TOLERANCE = {"rtol": 0, "atol": 1e-4}
PUBLISHED: dict[str, Head] = {
    "ava-dino": AvaDino(
        AvaDinoConfig(token_width=1024, adapter_width=768, text_width=768, text_stack="interleave")
    ),
    "ad-dinov3": AdDinov3(
        AdDinov3Config(token_width=1024, text_width=768, text_stack="interleave", linear="first")
    ),
}
NARROW = {"token_width": 8, "text_width": 6, "taps_count": 3}
VARIANTS: dict[str, Head] = {
    "ava-dino": AvaDino(AvaDinoConfig(**NARROW, adapter_width=4)),
    "ava-dino, last tap routes": AvaDino(
        AvaDinoConfig(**NARROW, adapter_width=4, routing="last-tap")
    ),
    "ava-dino, second linear of text": AvaDino(
        AvaDinoConfig(**NARROW, adapter_width=4, text_linear="second")
    ),
    "ad-dinov3": AdDinov3(AdDinov3Config(**NARROW)),
    "ad-dinov3, first linear": AdDinov3(AdDinov3Config(**NARROW, linear="first")),
    "ad-dinov3, residual": AdDinov3(AdDinov3Config(**NARROW, has_residual=True)),
}


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


@pytest.fixture(params=PUBLISHED)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def head(method: str, reference_dir: Path, seeded: Seeded) -> Head:
    shapes = json.loads((reference_dir / f"{method}.weights.json").read_text())
    weights = {key: seeded(f"weights.{key}", shape, 0.03) for key, shape in shapes.items()}
    built = PUBLISHED[method]
    built.load_state_dict(from_published_weights(weights))
    return built


@pytest.fixture
def expected(method: str, reference_dir: Path) -> dict[str, np.ndarray]:
    return dict(np.load(reference_dir / f"{method}.npz"))


def reference_losses(answer: HeadAnswer) -> Losses:
    masks = torch.zeros(BATCH, 512, 512)
    masks[1, 128:256, 160:320] = 1
    return losses(answer, masks, torch.tensor([0, 1]), GRID)


def assert_terms(terms: Losses, expected: dict[str, np.ndarray], prefix: str) -> None:
    found = {
        "awareness": terms.awareness,
        "segmentation": terms.segmentation,
        "global": terms.image,
        "routing": terms.routing,
        "total": terms.total,
    }
    wanted = {
        name.removeprefix(f"{prefix}_"): value
        for name, value in expected.items()
        if name.startswith(prefix) and (prefix != "loss" or "after" not in name)
    }
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value.detach(), wanted[name], rtol=1e-4)


def test_head_answers_what_the_published_code_answers(
    head: Head, expected: dict[str, np.ndarray], taps: list[Tap], text: torch.Tensor
) -> None:
    with torch.inference_mode():
        answer = head(taps, text)
        anomaly = draw_map(answer.patch_logits.unflatten(2, GRID), (512, 512))
        awareness = draw_map(answer.awareness_logits.unflatten(2, GRID), (512, 512))

    np.testing.assert_allclose(anomaly[:, ::4, ::4], expected["cross_map"], **TOLERANCE)
    np.testing.assert_allclose(awareness[:, ::4, ::4], expected["awareness_map"], **TOLERANCE)
    np.testing.assert_allclose(anomaly.amax((1, 2)), expected["image_score"], **TOLERANCE)
    np.testing.assert_allclose(answer.global_logits, expected["global_logits"], **TOLERANCE)
    assert (answer.routing is None) == ("routing_normal" not in expected)
    if answer.routing is not None:
        np.testing.assert_allclose(answer.routing[:, 0], expected["routing_normal"], **TOLERANCE)
        np.testing.assert_allclose(answer.routing[:, 1], expected["routing_anomaly"], **TOLERANCE)


def test_losses_are_the_published_ones_before_and_after_a_step(
    head: Head, expected: dict[str, np.ndarray], taps: list[Tap], text: torch.Tensor
) -> None:
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-4, weight_decay=1e-2)

    before = reference_losses(head(taps, text))
    before.total.backward()
    optimiser.step()
    with torch.inference_mode():
        after = reference_losses(head(taps, text))

    assert_terms(before, expected, "loss")
    assert_terms(after, expected, "loss_after_one_step")


@pytest.mark.parametrize("variant", VARIANTS)
def test_head_of_any_width_and_number_of_taps_learns_in_all_its_parts(variant: str) -> None:
    head = VARIANTS[variant]
    generator = torch.Generator().manual_seed(3)
    taps = [
        Tap(
            cls=torch.randn(2, 8, generator=generator),
            patches=torch.randn(2, 6, 8, generator=generator),
        )
        for _ in range(3)
    ]
    text = functional.normalize(torch.randn(2, 6, 2, generator=generator), dim=1)
    masks = (torch.rand(2, 12, 18, generator=generator) > 0.5).float()

    answer = head(taps, text)
    losses(answer, masks, torch.tensor([0, 1]), (2, 3)).total.backward()

    assert answer.patch_logits.shape == answer.awareness_logits.shape == (2, 3, 6)
    assert answer.global_logits.shape == (2, 2)
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.parameters())


def test_one_tap_routes_all_of_them_when_asked_to() -> None:
    head = VARIANTS["ava-dino, last tap routes"]
    taps = [Tap(cls=torch.randn(1, 8), patches=torch.randn(1, 4, 8)) for _ in range(3)]
    text = functional.normalize(torch.randn(1, 6, 2), dim=1)

    with torch.inference_mode():
        answer = head(taps, text)
        shuffled = head([taps[1], taps[0], taps[2]], text)

    torch.testing.assert_close(answer.routing, shuffled.routing)


def test_interleaving_mixes_the_two_texts_and_stacking_does_not() -> None:
    text = torch.tensor([[[1.0, 10.0], [2.0, 20.0]]])  # (1, 2, 2)
    columns = {}
    for stack in ("interleave", "stack"):
        adapters = TextAdapters(2, linear="first", stack=stack)
        for adapter in adapters:
            torch.nn.init.eye_(adapter.fc1.weight)

        columns[stack] = adapters(text)[0].tolist()

    assert columns["stack"] == [[1.0, 10.0], [2.0, 20.0]]
    assert columns["interleave"] == [[1.0, 2.0], [10.0, 20.0]]


def test_draw_map_is_the_mean_of_the_taps_probabilities() -> None:
    grid = torch.tensor([0.0, 100.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)

    drawn = draw_map(grid, (6, 8))

    torch.testing.assert_close(drawn, torch.full((1, 6, 8), 0.75))


def test_residual_on_a_layer_of_another_width_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="linear = second"):
        AdDinov3Config(**NARROW, linear="first", has_residual=True)
