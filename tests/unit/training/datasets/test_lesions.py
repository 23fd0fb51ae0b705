from pathlib import Path

import pytest
from PIL import Image

from inspection.training.datasets import open_dataset, read_mask
from tests.datasets import render_dataset


@pytest.mark.parametrize("name", ["clinicdb", "colondb", "isic", "kvasir", "tn3k"])
def test_all_images_count_and_that_none_is_good_is_remarked_on(name: str, tmp_path: Path) -> None:
    folder = render_dataset(name, tmp_path, anomalous=8)

    dataset = open_dataset(name, folder)

    assert len(dataset.samples) == 8
    assert dataset.remarks == (f"No good images of {name}: image AUROC is undefined.",)


def test_clinicdb_is_read_as_it_was_first_published(tmp_path: Path) -> None:
    folder = render_dataset("clinicdb", tmp_path)
    for old, new in (("images", "Original"), ("masks", "Ground Truth")):
        (folder / old).rename(folder / new)
        for file in (folder / new).iterdir():
            Image.open(file).save(file.with_suffix(".tif"))
            file.unlink()

    dataset = open_dataset("clinicdb", folder)

    assert [sample.image.suffix for sample in dataset.samples] == [".tif"] * 3
    assert all(read_mask(sample, None).any() for sample in dataset.samples)
