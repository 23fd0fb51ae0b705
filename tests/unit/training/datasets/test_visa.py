from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspection.errors import DatasetError
from inspection.training.datasets import open_dataset, read_mask
from tests.datasets import render_dataset


def test_both_layouts_are_recognised_and_agree(tmp_path: Path) -> None:
    raw = open_dataset("visa", render_dataset("visa", tmp_path / "raw"))
    sorted_ = open_dataset("visa", render_dataset("visa-1cls", tmp_path / "VisA_pytorch"))

    assert [(each.category, each.product, each.is_anomalous) for each in raw.samples] == [
        (each.category, each.product, each.is_anomalous) for each in sorted_.samples
    ]


def test_the_folder_1cls_may_be_named_itself(tmp_path: Path) -> None:
    folder = render_dataset("visa-1cls", tmp_path)

    dataset = open_dataset("visa", folder / "1cls")

    assert dataset.samples == open_dataset("visa", folder).samples


def test_masks_of_the_raw_layout_hold_numbers_and_are_read_all_the_same(tmp_path: Path) -> None:
    folder = render_dataset("visa", tmp_path, categories=1)

    dataset = open_dataset("visa", folder)

    for sample in dataset.samples[3:]:
        assert sample.mask is not None
        levels = np.asarray(Image.open(sample.mask))
        assert 0 < levels.max() < 4
        assert np.array_equal(read_mask(sample, None), levels > 0)


def test_without_the_list_all_images_are_test_images(tmp_path: Path) -> None:
    folder = render_dataset("visa", tmp_path, normal=2, anomalous=1)
    (folder / "split_csv" / "1cls.csv").unlink()

    dataset = open_dataset("visa", folder)

    assert len(dataset.samples) == 2 * (2 + 2 + 1)
    assert "1cls.csv is missing: all images count as test images" in " ".join(dataset.remarks)


def test_without_the_list_there_is_no_train_split(tmp_path: Path) -> None:
    folder = render_dataset("visa", tmp_path)
    (folder / "split_csv" / "1cls.csv").unlink()

    with pytest.raises(DatasetError, match=r"train split needs .*1cls\.csv, which is missing"):
        open_dataset("visa", folder, split="train")


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe\x00", b""])
def test_a_list_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    folder = render_dataset("visa", tmp_path)
    (folder / "split_csv" / "1cls.csv").write_bytes(content)

    with pytest.raises(DatasetError, match=r"1cls\.csv"):
        open_dataset("visa", folder)


def test_images_of_the_list_that_are_not_there_are_counted(tmp_path: Path) -> None:
    folder = render_dataset("visa", tmp_path)
    gone = folder / "candle" / "Data" / "Images" / "Normal" / "0000.JPG"
    gone.unlink()

    dataset = open_dataset("visa", folder)

    assert dataset.remarks == (f"Images of 1cls.csv that are not there: 1, the first is {gone}.",)
