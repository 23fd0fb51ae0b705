from pathlib import Path

import pytest

from inspection.errors import DatasetError
from inspection.training.datasets.folders import (
    is_picture,
    mask_files,
    natural,
    pictures,
    pictures_below,
    subfolders,
)


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.b.Tiff", "a.bmp"])
def test_pictures_are_known_by_their_suffix(name: str) -> None:
    assert is_picture(name)


@pytest.mark.parametrize("name", ["a.txt", "png", "a.png.part"])
def test_other_files_are_no_pictures(name: str) -> None:
    assert not is_picture(name)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert pictures(tmp_path / "gone") == []
    assert subfolders(tmp_path / "gone") == {}


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    endless.symlink_to(endless)

    with pytest.raises(DatasetError, match=f"{endless} cannot be listed"):
        pictures(endless)


def test_a_mask_with_the_ending_comes_before_one_without(tmp_path: Path) -> None:
    for name in ("000.png", "000_mask.png", "001.png", "_mask.png"):
        (tmp_path / name).touch()

    files = mask_files(tmp_path, ending="_mask")

    assert {image: file.name for image, file in files.items()} == {
        "": "_mask.png",
        "000": "000_mask.png",
        "001": "001.png",
    }


def test_pictures_below_a_folder_are_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.png", "a/y.jpg", "a/b/z.bmp", "a/notes.txt"):
        (tmp_path / name).touch()

    assert pictures_below(tmp_path) == {"x.png", "a/y.jpg", "a/b/z.bmp"}


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = ["Class10", "Class2", "Class1", "bottle", "01", "2"]

    assert sorted(names, key=natural) == ["01", "2", "Class1", "Class2", "Class10", "bottle"]
