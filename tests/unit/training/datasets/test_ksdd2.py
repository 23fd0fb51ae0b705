from pathlib import Path

from inspection.training.datasets import open_dataset
from tests.datasets import render_dataset


def test_an_image_with_an_empty_mask_is_good(tmp_path: Path) -> None:
    folder = render_dataset("ksdd2", tmp_path, normal=2, anomalous=1)

    dataset = open_dataset("ksdd2", folder)

    assert len(list((folder / "test").glob("*_GT.png"))) == 3
    assert [sample.is_anomalous for sample in dataset.samples] == [False, False, True]


def test_an_image_without_mask_is_good_and_remarked_on(tmp_path: Path) -> None:
    folder = render_dataset("ksdd2", tmp_path, normal=2, anomalous=1)
    (folder / "test" / "20000_GT.png").unlink()

    dataset = open_dataset("ksdd2", folder)

    assert [sample.is_anomalous for sample in dataset.samples] == [False, False, True]
    first = folder / "test" / "20000.png"
    assert dataset.remarks == (
        f"Images without a _GT mask, counted as good: 1, the first is {first}.",
    )


def test_an_image_whose_mask_cannot_be_read_keeps_that_mask(tmp_path: Path) -> None:
    folder = render_dataset("ksdd2", tmp_path, normal=2, anomalous=1)
    broken = folder / "test" / "20000_GT.png"
    broken.write_bytes(b"not a picture")

    dataset = open_dataset("ksdd2", folder)

    assert [sample.mask == broken for sample in dataset.samples] == [False, True, False]
    assert dataset.remarks[0].startswith(f"{broken} cannot be read")
