from pathlib import Path

import pytest

from inspection.errors import DatasetError
from inspection.training.datasets import open_dataset
from tests.datasets import render_dataset


@pytest.mark.parametrize("name", ["br35h", "brainmri", "headct"])
def test_that_there_are_no_masks_is_remarked_on(name: str, tmp_path: Path) -> None:
    folder = render_dataset(name, tmp_path)

    dataset = open_dataset(name, folder)

    assert dataset.remarks == ("There are no masks: figures of pixels are undefined.",)


def test_masks_that_a_model_has_drawn_are_not_read(tmp_path: Path) -> None:
    folder = render_dataset("br35h", tmp_path)
    drawn = folder / "Br35H-Mask-RCNN" / "TEST"
    drawn.mkdir(parents=True)
    (drawn / "y0.jpg").write_bytes((folder / "yes" / "y0.jpg").read_bytes())

    dataset = open_dataset("br35h", folder)

    assert not dataset.has_masks


def test_headct_takes_all_images_and_their_labels_from_the_list(tmp_path: Path) -> None:
    folder = render_dataset("headct", tmp_path, normal=3, anomalous=2)

    dataset = open_dataset("headct", folder)

    assert [(sample.image.name, sample.kind) for sample in dataset.samples] == [
        ("002.png", "good"),
        ("003.png", "good"),
        ("004.png", "good"),
        ("000.png", "hemorrhage"),
        ("001.png", "hemorrhage"),
    ]


def test_headct_may_lie_in_one_folder_or_in_two(tmp_path: Path) -> None:
    folder = render_dataset("headct", tmp_path)
    before = [sample.kind for sample in open_dataset("headct", folder).samples]
    for file in (folder / "head_ct" / "head_ct").iterdir():
        file.rename(folder / "head_ct" / file.name)

    assert [sample.kind for sample in open_dataset("headct", folder).samples] == before


def test_headct_leaves_out_images_without_label_and_counts_labels_without_image(
    tmp_path: Path,
) -> None:
    folder = render_dataset("headct", tmp_path)
    images = folder / "head_ct" / "head_ct"
    (images / "000.png").rename(images / "900.png")

    dataset = open_dataset("headct", folder)

    assert len(dataset.samples) == 5
    assert dataset.remarks[:2] == (
        f"Images that are not in labels.csv, left out: 1, the first is {images / '900.png'}.",
        "Labels of labels.csv without an image: 1.",
    )


@pytest.mark.parametrize(
    "content", ["id,label\n0,1\n", "id, hemorrhage\n0,yes\n", "id, hemorrhage\n0\n"]
)
def test_a_list_of_labels_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    folder = render_dataset("headct", tmp_path)
    (folder / "labels.csv").write_text(content)

    with pytest.raises(DatasetError, match=r"labels\.csv is not a list with the columns id"):
        open_dataset("headct", folder)
