"""References in force reach the replicas, and nothing is silently scored without them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from inspection.model.picture import decode
from inspection.model.reference import Reference, build_reference
from inspection.store import ledger
from inspection.training.creation import Creation, create
from tests.integration.serving.conftest import CAMERA, Floor, eventually, png, started
from tests.tiny import save_tiny

WASHER = Recipe(product="washer")


def pixels(number: int) -> NDArray[np.uint8]:
    return decode(png(number))


def built(detector: Detector, *numbers: int) -> Reference:
    """Make the reference of some pictures."""
    images = [pixels(number) for number in numbers]
    return build_reference(
        detector.checkpoint_hash, detector.survey(images, [WASHER] * len(images))
    )


def bare_detector(folder: Path) -> Detector:
    """Make a detector that has no adapters."""
    backbone = save_tiny(folder / "whole") / "backbone"
    creation = Creation(name="bare", backbone=str(backbone), image_size_px=64)
    create(creation, folder / "bare")
    return Detector.load(folder / "bare", device="cpu", threads=1)


def uninspected(floor: Floor) -> dict[str, int]:
    with floor.database.read() as connection:
        return dict(ledger.account_rows(connection, CAMERA, up_to=10_000).uninspected)


async def test_frames_are_scored_with_the_reference_in_force_and_say_so(
    floor: Floor, detector: Detector
) -> None:
    reference = built(detector, 100, 101)
    content_hash = floor.reference(reference.to_bytes())
    floor.add(1, product="washer")
    floor.add(2, product="nut")

    async with floor.inspector():
        await eventually(lambda: len(floor.rows()) == 2)

    washer, nut = floor.rows()
    assert (washer.reference_hash, nut.reference_hash) == (content_hash, None)
    (alone,) = detector.score([pixels(1)], [WASHER], [reference])
    (without,) = detector.score([pixels(1)], [WASHER])
    assert washer.score == pytest.approx(alone.score, abs=1e-5)
    assert abs(alone.score - without.score) > 1e-3


async def test_reference_is_sent_once_and_again_to_a_replica_that_has_just_started(
    floor: Floor, detector: Detector
) -> None:
    content_hash = floor.reference(built(detector, 100).to_bytes())

    async with floor.inspector():
        for number in range(1, 5):
            floor.add(number, product="washer")
            await eventually(lambda number=number: len(floor.rows()) == number)
        floor.replicas.scorer = started(detector)
        for number in range(5, 9):
            floor.add(number, product="washer")
            await eventually(lambda number=number: len(floor.rows()) == number)

    assert floor.replicas.supplied == [content_hash] * 2
    assert {row.reference_hash for row in floor.rows()} == {content_hash}


async def test_withdrawn_reference_is_not_used_any_more_while_inspectors_run(
    floor: Floor, detector: Detector
) -> None:
    content_hash = floor.reference(built(detector, 100).to_bytes())
    numbers = iter(range(1, 1000))

    def newest_has(reference_hash: str | None) -> bool:
        floor.add(next(numbers), product="washer")
        rows = floor.rows()
        return bool(rows) and rows[-1].reference_hash == reference_hash

    async with floor.inspector():
        await eventually(lambda: newest_has(content_hash))
        floor.withdraw()
        await eventually(lambda: newest_has(None))


@pytest.mark.parametrize("kind", ["rubbish", "foreign", "gone"])
async def test_reference_that_cannot_be_used_makes_its_frames_uninspected_and_no_others(
    floor: Floor, detector: Detector, kind: str
) -> None:
    whole = built(detector, 100)
    foreign = Reference(**{**vars(whole), "checkpoint_hash": "ab" * 32})
    data = {"rubbish": b"no reference", "foreign": foreign.to_bytes(), "gone": whole.to_bytes()}
    floor.reference(data[kind])
    if kind == "gone":
        floor.damage_references()
    for number in range(1, 4):
        floor.add(number, product="washer")
    floor.add(4, product="nut")

    async with floor.inspector():
        await eventually(lambda: bool(floor.rows()) and uninspected(floor) == {"reference": 3})

    assert [row.product for row in floor.rows()] == ["nut"]
    assert len(list(floor.pictures.rglob("*.png"))) == 4  # a reference can be built of them


async def test_outage_of_the_replicas_does_not_count_against_frames_with_references(
    floor: Floor, detector: Detector
) -> None:
    floor.reference(built(detector, 100).to_bytes())
    floor.replicas.is_out = True
    for number in range(1, 6):
        floor.add(number, product="washer")

    async with floor.inspector():
        await eventually(lambda: len(floor.replicas.calls) > 5)
        floor.replicas.is_out = False
        await eventually(lambda: len(floor.rows()) == 5)

    assert uninspected(floor) == {}


async def test_checkpoint_without_adapters_inspects_nothing_before_there_is_a_reference(
    floor: Floor, tmp_path: Path
) -> None:
    bare = bare_detector(tmp_path)
    floor.replicas.scorer = started(bare)
    floor.add(1, product="washer")

    async with floor.inspector():
        await eventually(lambda: uninspected(floor) == {"reference": 1})
        content_hash = floor.reference(built(bare, 100, 101).to_bytes())
        numbers = iter(range(2, 1000))

        def is_inspected() -> bool:
            floor.add(next(numbers), product="washer")
            return bool(floor.rows())

        await eventually(is_inspected)

    assert {row.reference_hash for row in floor.rows()} == {content_hash}
    assert {row.checkpoint_hash for row in floor.rows()} == {bare.checkpoint_hash}
