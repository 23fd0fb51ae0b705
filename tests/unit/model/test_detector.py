import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, ConfigurationError
from inspection.model.checkpoint import Checkpoint
from inspection.model.detector import Detector
from inspection.model.head import draw_map


@pytest.fixture
def detector(tiny_checkpoint: Checkpoint) -> Detector:
    return Detector(tiny_checkpoint, device="cpu")


def pictures(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    return [
        rng.integers(0, 256, (40 + 7 * index, 90 - 5 * index, 3), dtype=np.uint8)
        for index in range(count)
    ]


def named(*products: str) -> list[Recipe]:
    return [Recipe(product=product) for product in products]


def test_detector_scores_pictures_of_any_size_in_one_batch(detector: Detector) -> None:
    scored = detector.score(pictures(3), named("nut", "bolt", "nut"))

    assert [result.grid.shape for result in scored] == [detector.grid] * 3
    assert all(result.grid.dtype == np.float16 for result in scored)
    assert all(0 <= result.score <= 1 for result in scored)


def test_detector_scores_one_pixel(detector: Detector) -> None:
    scored = detector.score([np.full((1, 1, 3), 200, dtype=np.uint8)], named("nut"))

    assert np.isfinite(scored[0].score)


def test_detector_gives_a_picture_the_same_score_alone_and_in_a_batch(detector: Detector) -> None:
    images, recipes = pictures(5), named("nut", "bolt", "nut", "ring", "bolt")

    together = detector.score(images, recipes)
    alone = [
        detector.score([image], [recipe])[0] for image, recipe in zip(images, recipes, strict=True)
    ]

    for one, other in zip(together, alone, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_detector_score_is_the_highest_place_of_the_map_that_its_grid_draws(
    detector: Detector,
) -> None:
    scored = detector.score(pictures(1), named("nut"))[0]

    size_px = detector.image_size_px
    drawn = draw_map(torch.from_numpy(scored.grid).float()[None], (size_px, size_px))

    assert float(drawn.max()) == pytest.approx(scored.score, abs=1e-2)


def test_detector_scores_differ_between_products(detector: Detector) -> None:
    image = pictures(1)[0]

    nut, ring = detector.score([image, image], named("nut", "ring"))

    assert nut.score != ring.score


def test_detector_scores_differ_when_the_recipe_names_a_defect(detector: Detector) -> None:
    image = pictures(1)[0]

    plain, worded = detector.score(
        [image, image], [Recipe(product="nut"), Recipe(product="nut", defects=("with a burr",))]
    )

    assert plain.score != worded.score


def test_detector_scores_nothing_when_there_is_nothing(detector: Detector) -> None:
    assert detector.score([], []) == []


def test_detector_refuses_a_recipe_too_few(detector: Detector) -> None:
    with pytest.raises(ValueError, match="2 images but 1 recipes"):
        detector.score(pictures(2), named("nut"))


def test_detector_names_a_device_that_is_not_there(tiny_checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="'warp:3'"):
        Detector(tiny_checkpoint, device="warp:3")


def test_detector_names_a_checkpoint_that_is_not_there() -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        Detector.load("/nowhere/at/all", device="cpu")
