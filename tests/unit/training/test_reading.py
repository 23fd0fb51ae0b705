import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inspection.training.datasets import Sample
from inspection.training.reading import Example, Reading, Unreadable, read_ahead

READING = Reading(size_px=8, has_masks=True, threads_count=2, ahead_count=3)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Good images of one grey level each: 0, 10, 20 …."""
    found = []
    for number in range(10):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (12, 12), (10 * number,) * 3).save(file)
        found.append(
            Sample(
                image=file,
                product="nut",
                category="nut",
                kind="good",
                is_anomalous=False,
                mask=None,
            )
        )
    return found


def test_images_come_in_their_order_and_size(samples: list[Sample]) -> None:
    found = list(read_ahead(samples, READING))

    examples = [each for each in found if isinstance(each, Example)]
    assert [int(each.image[0, 0, 0]) for each in examples] == [10 * n for n in range(10)]
    assert {each.image.shape for each in examples} == {(8, 8, 3)}
    assert all(each.mask is not None and not each.mask.any() for each in examples)


def test_no_more_is_read_than_agreed_until_it_is_asked_for(samples: list[Sample]) -> None:
    taken: list[int] = []

    def counted() -> Iterator[Sample]:
        for number, sample in enumerate(samples):
            taken.append(number)
            yield sample

    reads = read_ahead(counted(), READING)
    next(reads)

    assert len(taken) == READING.ahead_count + 1
    reads.close()


def test_file_that_cannot_be_read_takes_its_place_in_the_order(samples: list[Sample]) -> None:
    samples[1].image.write_bytes(b"no picture")

    found = list(read_ahead(samples, READING))

    assert [isinstance(each, Unreadable) for each in found[:3]] == [False, True, False]
    assert isinstance(found[1], Unreadable)
    assert str(samples[1].image) in found[1].reason


def test_anomalous_image_has_no_mask_where_nobody_has_drawn_one(samples: list[Sample]) -> None:
    bare = replace(samples[0], is_anomalous=True)

    (example,) = read_ahead([bare], READING)
    (other,) = read_ahead(samples[:1], replace(READING, has_masks=False))

    assert isinstance(example, Example)
    assert isinstance(other, Example)
    assert example.mask is None
    assert other.mask is None


def test_threads_end_when_nobody_reads_on(samples: list[Sample]) -> None:
    before = threading.active_count()
    reads = read_ahead(samples, READING)
    next(reads)

    reads.close()

    assert threading.active_count() == before
