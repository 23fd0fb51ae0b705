from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, ConfigurationError, ReferenceMissingError
from inspection.model.checkpoint import BareNetwork, Checkpoint
from inspection.model.detector import Detector
from inspection.model.head import draw_map
from inspection.model.reference import Reference, build_reference


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


@pytest.fixture
def bare_detector(tiny_checkpoint: Checkpoint) -> Detector:
    """A detector without adapters."""
    network = BareNetwork(tiny_checkpoint.network.backbone).eval()
    return Detector(replace(tiny_checkpoint, network=network), device="cpu")


def stripes(count: int, *, first: int = 0) -> list[NDArray[np.uint8]]:
    """Return pictures of one striped cloth, each cut elsewhere."""
    rng = np.random.default_rng([4, first])
    columns = np.arange(64)[None, :, None]
    return [
        (
            128 + 80 * np.sin((columns + rng.integers(0, 16)) / 2.5) + rng.normal(0, 4, (64, 64, 3))
        ).astype(np.uint8)
        for _ in range(count)
    ]


def reference_of(detector: Detector, images: list[NDArray[np.uint8]]) -> Reference:
    surveys = detector.survey(images, named("cloth") * len(images))
    return build_reference(detector.checkpoint_hash, surveys)


def test_detector_without_references_answers_as_if_there_were_none(detector: Detector) -> None:
    images, recipes = pictures(3), named("nut", "bolt", "nut")

    plain = detector.score(images, recipes)
    told = detector.score(images, recipes, [None] * 3)

    for one, other in zip(plain, told, strict=True):
        assert one.score == other.score
        assert (one.grid == other.grid).all()


def test_detector_score_with_a_reference_is_the_highest_place_of_its_map(
    detector: Detector,
) -> None:
    reference = reference_of(detector, stripes(4))

    scored = detector.score(pictures(1), named("cloth"), [reference])[0]

    size_px = detector.image_size_px
    drawn = draw_map(torch.from_numpy(scored.grid).float()[None], (size_px, size_px))
    assert scored.grid.shape == (1, *detector.grid[1:])
    assert float(drawn.max()) == pytest.approx(scored.score, abs=1e-2)


def test_detector_finds_what_the_reference_does_not_show(bare_detector: Detector) -> None:
    good = stripes(1, first=100)[0]
    bad = good.copy()
    bad[16:32, 16:32] = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
    reference = reference_of(bare_detector, stripes(12))

    scored = bare_detector.score([good, bad], named("cloth", "cloth"), [reference] * 2)

    assert scored[1].score > scored[0].score
    assert scored[1].grid[0, 1, 1] == scored[1].grid.max()


def test_detector_mixes_references_in_one_batch(detector: Detector) -> None:
    cloth, noise = reference_of(detector, stripes(3)), reference_of(detector, pictures(2))
    images, recipes = stripes(5, first=9), named(*["cloth"] * 5)
    references = [cloth, None, noise, cloth, None]

    together = detector.score(images, recipes, references)

    for image, reference, scored in zip(images, references, together, strict=True):
        alone = detector.score([image], named("cloth"), [reference])[0]
        assert scored.grid.shape == alone.grid.shape
        assert scored.score == pytest.approx(alone.score, abs=1e-4)


def test_detector_looks_once_and_judges_with_one_reference_after_another(
    detector: Detector,
) -> None:
    images, recipes = stripes(2, first=9), named("cloth", "cloth")
    reference = reference_of(detector, stripes(3))

    look = detector.look(images, recipes)

    for references in (None, [reference, reference], [None, reference]):
        judged = detector.judge(look, references)
        scored = detector.score(images, recipes, references)
        assert [each.score for each in judged] == [each.score for each in scored]


def test_detector_refuses_a_reference_made_with_another_checkpoint(detector: Detector) -> None:
    reference = replace(reference_of(detector, stripes(2)), checkpoint_hash="e" * 64)

    with pytest.raises(CheckpointError, match="made with checkpoint eeee"):
        detector.score(stripes(1), named("cloth"), [reference])


def test_detector_refuses_a_reference_of_other_sizes(detector: Detector) -> None:
    reference = reference_of(detector, stripes(2))
    smaller = replace(reference, mean=reference.mean[:, :5], directions=reference.directions[:, :5])

    with pytest.raises(CheckpointError, match="4 taps of 5 channels"):
        detector.score(stripes(1), named("cloth"), [smaller])


def test_detector_refuses_a_reference_too_few(detector: Detector) -> None:
    with pytest.raises(ValueError, match="2 images but 1 references"):
        detector.score(stripes(2), named("cloth", "cloth"), [None])


def test_detector_without_adapters_needs_a_reference_for_every_picture(
    bare_detector: Detector, detector: Detector
) -> None:
    reference = reference_of(bare_detector, stripes(2))

    assert bare_detector.needs_reference
    assert not detector.needs_reference
    for references in (None, [reference, None]):
        with pytest.raises(ReferenceMissingError, match="no adapters"):
            bare_detector.score(stripes(2), named("cloth", "cloth"), references)


def test_detector_without_adapters_scores_whatever_the_product_is_called(
    bare_detector: Detector,
) -> None:
    reference = reference_of(bare_detector, stripes(2))
    image = stripes(1, first=9)[0]

    one, other = bare_detector.score([image, image], named("cloth", "nut"), [reference] * 2)

    assert one.score == other.score


def test_detector_surveys_every_patch_of_few_pictures(detector: Detector) -> None:
    taps, rows, columns = detector.grid

    surveys = detector.survey(stripes(2), named("cloth", "cloth"), of_count=2)

    assert [each.patches.shape[:2] for each in surveys] == [(taps, rows * columns)] * 2
    assert surveys[0].key != surveys[1].key
    assert detector.survey([], []) == []
