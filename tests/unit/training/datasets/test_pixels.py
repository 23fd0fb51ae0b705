from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from inspection.errors import DatasetError
from inspection.training.datasets import Sample, read_image, read_mask
from inspection.training.datasets.pixels import resized

HEIGHT, WIDTH = 30, 40


def save(file: Path, pixels: NDArray[np.uint8], orientation: int | None = None) -> Path:
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    image.save(file, exif=exif)
    return file


def blob(height: int = HEIGHT, width: int = WIDTH, level: int = 255) -> NDArray[np.uint8]:
    """Mark a place that no turn and no mirror brings onto itself."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 10 : height // 2, width // 2 : width - width // 8] = level
    return mask


def sample(
    folder: Path,
    mask: NDArray[np.uint8] | None,
    *,
    suffix: str = ".png",
    orientation: int | None = None,
    is_anomalous: bool = True,
) -> Sample:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    return Sample(
        image=save(folder / "image.jpg", image, orientation),
        product="washer",
        category="washer",
        kind="scratch" if is_anomalous else "good",
        is_anomalous=is_anomalous,
        mask=None if mask is None else save(folder / f"mask{suffix}", mask),
    )


def test_image_is_rgb(tmp_path: Path) -> None:
    image = read_image(sample(tmp_path, None))

    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8


def test_mask_has_the_size_of_its_image_when_none_is_asked_for(tmp_path: Path) -> None:
    mask = read_mask(sample(tmp_path, blob()), None)

    assert mask.dtype == np.bool_
    assert np.array_equal(mask, blob() > 0)


def test_mask_has_height_and_width_that_are_asked_for(tmp_path: Path) -> None:
    mask = read_mask(sample(tmp_path, blob()), (HEIGHT // 2, WIDTH // 4))

    assert mask.shape == (HEIGHT // 2, WIDTH // 4)
    assert mask.mean() == pytest.approx((blob() > 0).mean(), abs=0.03)


@pytest.mark.parametrize("size_px", [None, (8, 16)])
def test_mask_of_a_good_sample_is_empty(size_px: tuple[int, int] | None, tmp_path: Path) -> None:
    mask = read_mask(sample(tmp_path, None, is_anomalous=False), size_px)

    assert mask.shape == (size_px or (HEIGHT, WIDTH))
    assert not mask.any()


def test_mask_that_is_missing_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"image\.jpg is anomalous and has no mask"):
        read_mask(sample(tmp_path, None), None)


@pytest.mark.parametrize("level", [1, 2, 7, 100, 128, 255])
def test_mask_of_any_level_is_defective_in_a_lossless_file(level: int, tmp_path: Path) -> None:
    mask = read_mask(sample(tmp_path, blob(level=level)), None)

    assert np.array_equal(mask, blob() > 0)


def test_shades_at_the_edge_of_a_mask_are_defective_from_half_on(tmp_path: Path) -> None:
    shades = blob()
    shades[0, :4] = (1, 127, 128, 254)

    mask = read_mask(sample(tmp_path, shades), None)

    assert mask[0, :4].tolist() == [False, False, True, True]


def test_artefacts_of_compression_are_not_defective(tmp_path: Path) -> None:
    empty = np.full((HEIGHT, WIDTH), 4, np.uint8)

    assert not read_mask(sample(tmp_path, empty, suffix=".jpg"), None).any()
    assert np.array_equal(read_mask(sample(tmp_path, blob(), suffix=".jpg"), None), blob() > 0)


@pytest.mark.parametrize("factor", [2, 3])
def test_mask_of_another_resolution_is_brought_to_that_of_its_image(
    factor: int, tmp_path: Path
) -> None:
    large = blob().repeat(factor, axis=0).repeat(factor, axis=1)

    mask = read_mask(sample(tmp_path, large), None)

    assert np.array_equal(mask, blob() > 0)


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (HEIGHT, HEIGHT), (HEIGHT - 3, WIDTH)])
def test_mask_of_another_shape_is_refused_with_both_sizes(
    size: tuple[int, int], tmp_path: Path
) -> None:
    wrong = sample(tmp_path, blob(*size))

    with pytest.raises(DatasetError) as refused:
        read_mask(wrong, (8, 8))

    assert f"mask.png has {size[1]} x {size[0]} pixels" in str(refused.value)
    assert f"image.jpg has {WIDTH} x {HEIGHT}" in str(refused.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_of_stored_pixels_is_turned_with_its_image(orientation: int, tmp_path: Path) -> None:
    turned = sample(tmp_path, blob(), orientation=orientation)

    mask = read_mask(turned, None)

    tagged = Image.fromarray(blob())
    tagged.getexif()[ExifTags.Base.Orientation] = orientation
    assert mask.shape == read_image(turned).shape[:2]
    assert np.array_equal(mask, np.asarray(ImageOps.exif_transpose(tagged)) > 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_is_turned_before_it_is_resized(orientation: int, tmp_path: Path) -> None:
    turned = sample(tmp_path, blob(), orientation=orientation)

    mask = read_mask(turned, (8, 6))

    assert np.array_equal(mask, resized(read_mask(turned, None), (8, 6)))


def test_mask_that_only_fits_the_upright_image_is_not_turned(tmp_path: Path) -> None:
    turned = sample(tmp_path, blob(WIDTH, HEIGHT), orientation=6)

    mask = read_mask(turned, None)

    assert np.array_equal(mask, blob(WIDTH, HEIGHT) > 0)


@pytest.mark.parametrize("name", ["image.jpg", "mask.png"])
@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_file_that_cannot_be_read_is_named(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    broken = sample(tmp_path, blob())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DatasetError, match=rf"{name} cannot be read: \w"):
        read_mask(broken, None)
    if name == "image.jpg":
        with pytest.raises(DatasetError, match=rf"{name} cannot be read: \w"):
            read_image(broken)


def test_pixel_is_defective_when_half_of_it_is() -> None:
    mask = np.zeros((4, 8), np.bool_)
    mask[0, 0] = True  # a quarter of its pixel
    mask[0:2, 2] = True  # half
    mask[2:4, 4:6] = True  # all

    small = resized(mask, (2, 4))

    assert small.tolist() == [[False, True, False, False], [False, False, True, False]]


@pytest.mark.parametrize("size_px", [(5, 4), (3, 30), (20, 30), (9, 7)])
def test_resizing_weighs_by_area_at_any_ratio(size_px: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random((7, 11)) < 0.4

    shares = overlaps(7, size_px[0]) @ mask @ overlaps(11, size_px[1]).T

    assert np.array_equal(resized(mask, size_px), shares >= 0.5)


def test_defect_that_is_half_of_no_pixel_stays_where_it_covers_most() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[10, 3:60] = True  # a line one pixel thick
    mask[40, 40] = True

    small = resized(mask, (8, 8))

    assert small[1, 1:7].all()
    assert small.sum() == 6


def overlaps(old: int, new: int) -> NDArray[np.float64]:
    """Return which share of each new pixel each old one covers, ``(new, old)``."""
    edges = np.arange(new + 1) * old / new
    ends = np.minimum(edges[1:, None], np.arange(1, old + 1))
    starts = np.maximum(edges[:-1, None], np.arange(old))
    covered: NDArray[np.float64] = np.clip(ends - starts, 0, None) * new / old
    return covered
