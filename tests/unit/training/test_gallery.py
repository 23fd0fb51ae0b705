from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspection.errors import ConfigurationError
from inspection.training.datasets import Sample
from inspection.training.gallery import Gallery, panel
from inspection.training.reading import Example

SIZE_PX = 8
HALF = np.full((SIZE_PX, SIZE_PX), 0.5, np.float32)


def example(name: str, *, is_anomalous: bool, has_mask: bool = True) -> Example:
    mask = np.zeros((SIZE_PX, SIZE_PX), dtype=bool)
    mask[2:4, 2:4] = is_anomalous
    return Example(
        sample=Sample(
            image=Path(f"{name}.png"),
            product="nut",
            category="nut",
            kind="bent" if is_anomalous else "good",
            is_anomalous=is_anomalous,
            mask=None,
        ),
        image=np.full((SIZE_PX, SIZE_PX, 3), 90, np.uint8),
        mask=mask if has_mask else None,
    )


def test_gallery_keeps_the_most_wrong_and_the_most_right(tmp_path: Path) -> None:
    gallery = Gallery(each_count=2)
    for score in (0.5, 0.1, 0.9, 0.7, 0.3):
        for is_anomalous in (False, True):
            gallery.offer(example(f"{score}", is_anomalous=is_anomalous), score, HALF)

    gallery.write(tmp_path / "nut")

    assert sorted(file.name for file in (tmp_path / "nut").iterdir()) == [
        "best-anomalous-1-0.900-0.9.png",
        "best-anomalous-2-0.700-0.7.png",
        "best-normal-1-0.100-0.1.png",
        "best-normal-2-0.300-0.3.png",
        "worst-anomalous-1-0.100-0.1.png",
        "worst-anomalous-2-0.300-0.3.png",
        "worst-normal-1-0.900-0.9.png",
        "worst-normal-2-0.700-0.7.png",
    ]


def test_panel_is_image_mask_and_heatmap_side_by_side() -> None:
    drawn = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    drawn[2:4, 2:4] = 1

    image, mask, heatmap = np.split(panel(example("a", is_anomalous=True), drawn), 3, axis=1)

    assert (image == 90).all()
    assert (mask[2:4, 2:4] == 255).all()
    assert mask.sum() == 4 * 3 * 255
    # Yellow where the map is 1, dark blue where it is 0.
    assert heatmap[2, 2, 0] > heatmap[2, 2, 2]
    assert heatmap[0, 0, 0] < heatmap[0, 0, 2]


def test_panel_shows_grey_where_there_is_no_mask() -> None:
    shown = panel(example("a", is_anomalous=True, has_mask=False), HALF)

    assert (shown[:, SIZE_PX : 2 * SIZE_PX] == 128).all()


def test_pictures_are_files_that_can_be_opened_whatever_their_images_are_called(
    tmp_path: Path,
) -> None:
    gallery = Gallery(each_count=1)
    gallery.offer(example("ä b:c", is_anomalous=False), 0.25, HALF)

    gallery.write(tmp_path)

    (best, worst) = sorted(tmp_path.iterdir())
    assert (best.name, worst.name) == (
        "best-normal-1-0.250-ä-b-c.png",
        "worst-normal-1-0.250-ä-b-c.png",
    )
    with Image.open(best) as picture:
        assert picture.size == (3 * SIZE_PX, SIZE_PX)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    gallery = Gallery(each_count=1)

    with pytest.raises(ConfigurationError, match=r"cannot write .*file"):
        gallery.write(tmp_path / "file" / "nut")
