import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, DatasetError
from inspection.model.detector import Detector, Scored
from inspection.training import tally
from inspection.training.datasets import open_dataset
from inspection.training.design import save_network
from inspection.training.evaluation import EvaluationOptions, evaluate
from tests.datasets import render_dataset
from tests.tiny import TINY, save_tiny, tiny_network

QUICK = EvaluationOptions(rounds_count=20, batch_count=4)
SIZE_PX = 64


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def detector(checkpoint: Path) -> Detector:
    return Detector.load(checkpoint, device="cpu", threads=1)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mvtec-ad")
    return render_dataset("mvtec-ad", folder, normal=4, anomalous=5)


@pytest.fixture
def folder(rendered: Path, tmp_path: Path) -> Path:
    """A data set of this test's own."""
    return Path(shutil.copytree(rendered, tmp_path / "mvtec-ad"))


class Recording(Detector):
    """Notes what it is asked."""

    recipes: list[Recipe]
    batches: list[int]

    def score(self, images: Sequence[NDArray[np.uint8]], recipes: Sequence[Recipe]) -> list[Scored]:
        self.recipes += recipes
        self.batches.append(len(images))
        return super().score(images, recipes)


@pytest.fixture
def recording(checkpoint: Path) -> Recording:
    made = Recording.load(checkpoint, device="cpu", threads=1)
    made.recipes, made.batches = [], []
    return made


def test_evaluation_gives_every_figure_of_every_category_and_their_mean(
    detector: Detector, rendered: Path
) -> None:
    dataset = open_dataset("mvtec-ad", rendered)

    found = evaluate(detector, dataset, QUICK)

    assert [each.category for each in found.categories] == list(dataset.categories)
    assert found.checkpoint_hash == detector.checkpoint_hash
    assert found.images_count == len(dataset.samples) == 18
    for each in found.categories:
        assert (each.normal_count, each.anomalous_count) == (4, 5)
        assert set(each.figures) == set(tally.FIGURES)
        assert all(0 <= one.low <= one.high <= 1 for one in each.figures.values())
    for name, mean in found.mean.items():
        values = [each.figures[name].value for each in found.categories]
        assert mean.figure.value == pytest.approx(np.mean(values))
        assert mean.categories_count == 2


def test_figures_do_not_depend_on_batches_and_threads(detector: Detector, rendered: Path) -> None:
    dataset = open_dataset("mvtec-ad", rendered)

    one = evaluate(detector, dataset, replace(QUICK, batch_count=9, threads_count=1))
    other = evaluate(detector, dataset, replace(QUICK, batch_count=2, threads_count=3))

    for first, second in zip(one.categories, other.categories, strict=True):
        for name in tally.FIGURES:
            expected = second.figures[name]
            assert first.figures[name].value == pytest.approx(expected.value, abs=1e-4), name
            assert first.figures[name].low == pytest.approx(expected.low, abs=1e-4), name


def test_detector_is_told_the_product_in_plain_words_and_sees_whole_batches(
    recording: Recording, rendered: Path
) -> None:
    dataset = open_dataset("mvtec-ad", rendered)

    evaluate(recording, dataset, QUICK)

    assert {recipe.product for recipe in recording.recipes} == {"bottle", "metal nut"}
    assert recording.batches == [4, 4, 1] * 2


def test_unreadable_images_and_masks_are_named_counted_and_left_out(
    detector: Detector, folder: Path
) -> None:
    good = min((folder / "bottle/test/good").iterdir())
    good.write_bytes(good.read_bytes()[:100])
    mask = min((folder / "metal_nut/ground_truth").rglob("*.png"))
    mask.write_bytes(b"no picture")
    dataset = open_dataset("mvtec-ad", folder)

    found = evaluate(detector, dataset, QUICK)

    assert [(each.normal_count, each.anomalous_count) for each in found.categories] == [
        (3, 5),
        (4, 4),
    ]
    assert [each.unreadable_count for each in found.categories] == [1, 1]
    assert str(good) in found.unreadable[0].reason
    assert str(mask) in found.unreadable[1].reason
    assert found.images_count == 16


def test_strict_evaluation_ends_at_an_unreadable_file(detector: Detector, folder: Path) -> None:
    file = min((folder / "bottle/test/good").iterdir())
    file.write_bytes(b"")
    dataset = open_dataset("mvtec-ad", folder)

    with pytest.raises(DatasetError, match=file.name):
        evaluate(detector, dataset, replace(QUICK, is_strict=True))


def test_data_set_of_which_nothing_can_be_read_has_no_figures_but_an_error(
    detector: Detector, folder: Path
) -> None:
    for file in folder.glob("*/test/*/*"):
        file.write_bytes(b"")
    dataset = open_dataset("mvtec-ad", folder)

    with pytest.raises(DatasetError, match=r"no image of .* can be read; the first: "):
        evaluate(detector, dataset, QUICK)


def test_class_without_normals_has_no_image_figures_and_is_not_in_their_mean(
    detector: Detector, folder: Path
) -> None:
    shutil.rmtree(folder / "bottle/test/good")
    dataset = open_dataset("mvtec-ad", folder)

    found = evaluate(detector, dataset, QUICK)

    bottle, nut = found.categories
    assert bottle.undefined == dict.fromkeys(tally.IMAGE_FIGURES, "no normal images")
    assert set(bottle.figures) == set(tally.PIXEL_FIGURES)
    assert found.mean["i_auroc"].categories_count == 1
    assert found.mean["i_auroc"].figure == nut.figures["i_auroc"]
    assert found.mean["p_auroc"].categories_count == 2


def test_data_set_without_masks_has_no_pixel_figures(detector: Detector, tmp_path: Path) -> None:
    dataset = open_dataset("br35h", render_dataset("br35h", tmp_path))

    found = evaluate(detector, dataset, QUICK)

    (only,) = found.categories
    assert only.undefined == dict.fromkeys(tally.PIXEL_FIGURES, "the data set has no masks")
    assert set(found.mean) == set(tally.IMAGE_FIGURES)


def test_anomalous_image_without_a_mask_counts_for_its_score_only(
    detector: Detector, folder: Path
) -> None:
    masks = sorted((folder / "bottle/ground_truth").rglob("*.png"))
    masks[0].unlink()
    dataset = open_dataset("mvtec-ad", folder)

    found = evaluate(detector, dataset, QUICK)

    assert found.categories[0].anomalous_count == 5
    assert any("mask" in remark for remark in found.remarks)


def test_masks_that_show_no_defect_are_remarked_on(detector: Detector, folder: Path) -> None:
    for file in (folder / "bottle/ground_truth").rglob("*.png"):
        Image.new("L", (SIZE_PX, SIZE_PX)).save(file)
    dataset = open_dataset("mvtec-ad", folder)

    found = evaluate(detector, dataset, QUICK)

    bottle = found.categories[0]
    assert bottle.undefined == dict.fromkeys(tally.PIXEL_FIGURES, "no defective pixel")
    assert any("5 anomalous images show no defect" in remark for remark in found.remarks)


def test_detector_that_answers_with_no_numbers_ends_the_evaluation(
    rendered: Path, tmp_path: Path
) -> None:
    network = tiny_network()
    for parameter in network.head.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    save_network(tmp_path, TINY, network, card="")
    broken = Detector.load(tmp_path, device="cpu", threads=1)

    with pytest.raises(CheckpointError, match=r"score of .*png is nan"):
        evaluate(broken, open_dataset("mvtec-ad", rendered), QUICK)


def test_pictures_of_best_and_worst_are_written_by_category(
    detector: Detector, rendered: Path, tmp_path: Path
) -> None:
    dataset = open_dataset("mvtec-ad", rendered)

    evaluate(detector, dataset, replace(QUICK, pictures=tmp_path, pictures_count=2))

    for category in dataset.categories:
        files = [file.name for file in (tmp_path / "mvtec-ad" / category).iterdir()]
        for group in ("best-normal", "best-anomalous", "worst-normal", "worst-anomalous"):
            assert sum(name.startswith(group) for name in files) == 2


def test_progress_counts_every_image_once_also_unreadable_ones(
    detector: Detector, folder: Path
) -> None:
    next((folder / "bottle/test/good").iterdir()).write_bytes(b"")
    dataset = open_dataset("mvtec-ad", folder)
    steps: list[int] = []

    evaluate(detector, dataset, QUICK, on_images=steps.append)

    assert sum(steps) == len(dataset.samples)
