import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.errors import DatasetError
from inspection.model.detector import Detector, Look
from inspection.training.comparison import BASELINES, Comparison, compare, images_count
from inspection.training.creation import Creation, create
from inspection.training.datasets import open_dataset
from inspection.training.evaluation import EvaluationOptions, evaluate
from inspection.training.tally import FIGURES
from tests.datasets import render_dataset

QUICK = EvaluationOptions(rounds_count=20, batch_count=4)


class Looking(Detector):
    """Notes how many pictures its backbone has seen."""

    looked_count = 0

    def look(self, images: Sequence[NDArray[np.uint8]], recipes: Sequence[Recipe]) -> Look:
        self.looked_count += len(images)
        return super().look(images, recipes)


@pytest.fixture(scope="module")
def detector(tiny_detector_folder: Path) -> Detector:
    return Detector.load(tiny_detector_folder, device="cpu", threads=1)


@pytest.fixture(scope="module")
def bare(tiny_detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """A detector of references alone."""
    folder = tmp_path_factory.mktemp("bare")
    backbone = str(tiny_detector_folder / "backbone")
    create(Creation(name="bare", backbone=backbone, image_size_px=64), folder)
    return Detector.load(folder, device="cpu", threads=1)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    return render_dataset("folder", folder, categories=2, normal=5, anomalous=4)


@pytest.fixture
def folder(rendered: Path, tmp_path: Path) -> Path:
    """A data set of this test's own."""
    return Path(shutil.copytree(rendered, tmp_path / "set"))


def values(comparison: Comparison) -> list[list[dict[str, float]]]:
    return [
        [{name: one.value for name, one in row.evaluation.figures.items()} for row in each.rows]
        for each in comparison.categories
    ]


def test_comparison_gives_figures_for_every_number_of_references_and_every_baseline(
    detector: Detector, rendered: Path
) -> None:
    dataset = open_dataset("folder", rendered)

    found = compare(detector, dataset, (0, 1, 4, "all"), QUICK)

    assert [each.category for each in found.categories] == list(dataset.categories)
    assert (found.images_count, found.good_count) == (18, 10)
    for each in found.categories:
        assert [row.references for row in each.rows] == [0, 1, 4, "all"]
        assert [row.images_count for row in each.rows] == [0, 1, 4, 5]
        assert len({row.reference_hash for row in each.rows}) == 4
        assert tuple(each.baselines) == BASELINES
        measured = [*(row.evaluation for row in each.rows), *each.baselines.values()]
        for evaluation in measured:
            assert set(evaluation.figures) == set(FIGURES)
            assert all(0 <= one.low <= one.high <= 1 for one in evaluation.figures.values())


def test_figures_without_references_are_those_of_an_evaluation(
    detector: Detector, rendered: Path
) -> None:
    dataset = open_dataset("folder", rendered)

    compared = compare(detector, dataset, (0,), QUICK)

    evaluated = evaluate(detector, dataset, QUICK)
    for one, other in zip(compared.categories, evaluated.categories, strict=True):
        for name in FIGURES:
            found = one.rows[0].evaluation.figures[name].value
            assert found == pytest.approx(other.figures[name].value, abs=1e-4), name


def test_more_references_than_there_are_good_images_are_all_of_them(
    detector: Detector, rendered: Path
) -> None:
    dataset = open_dataset("folder", rendered)

    found = compare(detector, dataset, (16, "all"), QUICK)

    for sixteen, everything in (each.rows for each in found.categories):
        assert sixteen.is_all
        assert sixteen.images_count == 5
        assert sixteen.reference_hash == everything.reference_hash
        assert sixteen.evaluation == everything.evaluation


def test_backbone_sees_every_test_image_once_however_many_references_are_compared(
    tiny_detector_folder: Path, rendered: Path
) -> None:
    looking = Looking.load(tiny_detector_folder, device="cpu", threads=1)
    dataset = open_dataset("folder", rendered)

    compare(looking, dataset, (0, 1, "all"), QUICK)

    # The one image of the smaller reference is looked at for that again, in both categories.
    assert looking.looked_count == images_count(dataset) + 2 == 30


def test_references_follow_from_the_seed_and_not_from_batches_or_other_categories(
    detector: Detector, rendered: Path
) -> None:
    dataset = open_dataset("folder", rendered)
    samples = tuple(each for each in dataset.samples if each.category == dataset.categories[1])
    options = replace(QUICK, batch_count=3, threads_count=1)

    whole = compare(detector, dataset, (1,), QUICK)
    alone = compare(detector, replace(dataset, samples=samples), (1,), options)
    reseeded = compare(detector, dataset, (1,), replace(QUICK, seed=2))

    # Rounding differs with the batch, so that it is the figures that agree and not the hashes.
    for name, value in values(alone)[0][0].items():
        assert value == pytest.approx(values(whole)[1][0][name], abs=1e-3), name
    hashes = [
        [each.rows[0].reference_hash for each in found.categories] for found in (whole, reseeded)
    ]
    assert hashes[0] != hashes[1]


def test_category_without_good_training_images_has_no_figures_but_those_that_need_none(
    detector: Detector, folder: Path
) -> None:
    dataset = open_dataset("folder", folder)
    shutil.rmtree(folder / dataset.categories[0] / "train/good")

    found = compare(detector, dataset, (0, 4, "all"), QUICK)

    first, second = found.categories
    assert set(first.rows[0].evaluation.figures) == set(FIGURES)
    for evaluation in (*(row.evaluation for row in first.rows[1:]), first.baselines["patch-pca"]):
        assert evaluation.undefined == dict.fromkeys(FIGURES, "no good training images")
    assert set(first.baselines["darkness-edge"].figures) == set(FIGURES)
    assert set(second.rows[2].evaluation.figures) == set(FIGURES)


def test_detector_without_adapters_has_no_figures_without_references(
    bare: Detector, rendered: Path
) -> None:
    found = compare(bare, open_dataset("folder", rendered), (0, 2), QUICK)

    zero, two = found.categories[0].rows
    assert not zero.evaluation.figures
    assert "without references it scores nothing" in zero.evaluation.undefined["i_auroc"]
    assert set(two.evaluation.figures) == set(FIGURES)


def test_unreadable_good_image_is_named_and_another_takes_its_place(
    detector: Detector, folder: Path
) -> None:
    dataset = open_dataset("folder", folder)
    lost = min((folder / dataset.categories[0] / "train/good").iterdir())
    lost.write_bytes(b"")

    found = compare(detector, dataset, (4,), QUICK)

    assert [each.path for each in found.unreadable] == [lost]
    assert [each.rows[0].images_count for each in found.categories] == [4, 4]
    with pytest.raises(DatasetError, match=lost.name):
        compare(detector, dataset, (4,), replace(QUICK, is_strict=True))


def test_set_that_is_not_split_is_refused(detector: Detector, tmp_path: Path) -> None:
    dataset = open_dataset("br35h", render_dataset("br35h", tmp_path))

    with pytest.raises(DatasetError, match="br35h is not split"):
        compare(detector, dataset, (1,), QUICK)


def test_comparison_of_which_no_test_image_can_be_read_ends_with_an_error(
    detector: Detector, folder: Path
) -> None:
    for file in folder.glob("*/test/*/*"):
        file.write_bytes(b"")
    dataset = open_dataset("folder", folder)

    with pytest.raises(DatasetError, match=r"no image of .* can be read; the first: "):
        compare(detector, dataset, (1,), QUICK)


def test_pictures_are_those_of_the_largest_number_of_references(
    detector: Detector, rendered: Path, tmp_path: Path
) -> None:
    dataset = open_dataset("folder", rendered)

    compare(detector, dataset, ("all", 0), replace(QUICK, pictures=tmp_path, pictures_count=1))

    for category in dataset.categories:
        assert len(list((tmp_path / "folder" / category).glob("*.png"))) == 4
