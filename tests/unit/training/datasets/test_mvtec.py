import shutil
from pathlib import Path

import pytest

from inspection.errors import DatasetError
from inspection.training.datasets import good_images, open_dataset
from tests.datasets import render_dataset


@pytest.mark.parametrize(
    ("name", "category"), [("mvtec-ad", "bottle"), ("mvtec-ad-2", "can"), ("folder", "cap")]
)
def test_one_product_alone_is_a_set_of_one_class(name: str, category: str, tmp_path: Path) -> None:
    folder = render_dataset(name, tmp_path)

    dataset = open_dataset(name, folder / category)

    assert dataset.categories == (category,)
    assert len(dataset.samples) == 6


def test_the_folder_one_is_in_gives_the_products_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = render_dataset("folder", tmp_path, categories=2)
    monkeypatch.chdir(folder / "gear_wheel")

    dataset = open_dataset("folder", Path())

    assert {sample.product for sample in dataset.samples} == {"gear wheel"}


def test_kinds_are_the_defects_folders(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path, categories=1)

    dataset = open_dataset("mvtec-ad", folder)

    assert [sample.kind for sample in dataset.samples] == [
        *("good", "good", "good"),
        *("hole", "scratch", "scratch"),
    ]


@pytest.mark.parametrize("good", ["ok", "Good", "OK"])
def test_good_images_may_lie_in_a_folder_of_another_spelling(good: str, tmp_path: Path) -> None:
    folder = render_dataset("folder", tmp_path, categories=1)
    for split in ("test", "train"):
        (folder / "cap" / split / "good").rename(folder / "cap" / split / good)

    tested = open_dataset("folder", folder)
    trained = open_dataset("folder", folder, split="train")

    assert [sample.kind for sample in tested.samples[:3]] == ["good"] * 3
    assert len(trained.samples) == 3


def test_folders_beside_the_products_are_passed_over(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    before = open_dataset("mvtec-ad", folder)
    (folder / "LICENSES").mkdir()
    (folder / "LICENSES" / "licence.txt").touch()
    (folder / "readme.txt").touch()

    assert open_dataset("mvtec-ad", folder) == before


def test_an_empty_folder_beside_the_products_is_an_empty_class(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    (folder / "zipper").mkdir()

    with pytest.raises(DatasetError, match="There are no images of zipper in the test split"):
        open_dataset("mvtec-ad", folder)


def test_a_product_without_training_images_is_refused_for_training_only(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    shutil.rmtree(folder / "bottle" / "train")

    assert open_dataset("mvtec-ad", folder).categories == ("bottle", "metal_nut")
    with pytest.raises(DatasetError, match="no good images of bottle in the train split"):
        open_dataset("mvtec-ad", folder, split="train")


def test_good_images_beside_a_test_split_are_those_of_the_products_that_have_some(
    tmp_path: Path,
) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    shutil.rmtree(folder / "bottle" / "train")
    (folder / "metal_nut/train/scratch").mkdir()

    found = good_images(open_dataset("mvtec-ad", folder))

    trained = folder / "metal_nut" / "train" / "good"
    assert {name: [each.image for each in samples] for name, samples in found.items()} == {
        "metal_nut": sorted(trained.iterdir())
    }


def test_masks_are_paired_by_name_when_one_is_missing(tmp_path: Path) -> None:
    folder = render_dataset("btad", tmp_path, categories=1)
    (folder / "01" / "ground_truth" / "ko" / "0000.png").unlink()

    dataset = open_dataset("btad", folder)

    masks = [each.mask.name if each.mask else None for each in dataset.samples if each.is_anomalous]
    assert masks == [None, "0001.png", "0002.png"]


def test_masks_of_a_kind_that_has_no_images_are_remarked_on(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    shutil.rmtree(folder / "bottle" / "test" / "hole")

    dataset = open_dataset("mvtec-ad", folder)

    mask = folder / "bottle" / "ground_truth" / "hole" / "001_mask.png"
    assert dataset.remarks == (f"Masks of bottle without an image: 1, the first is {mask}.",)


def test_private_test_images_are_left_out(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad-2", tmp_path)

    dataset = open_dataset("mvtec-ad-2", folder)

    assert {sample.image.parent.parent.name for sample in dataset.samples} == {"test_public"}
