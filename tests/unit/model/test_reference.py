import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from inspection.errors import CheckpointError
from inspection.model.reference import Reference, Survey, build_reference, survey_of
from tests.unit.model.surveys import CHECKPOINT, PATCHES, TAPS, WIDTH, survey, surveys


def built(*parts: Survey) -> Reference:
    return build_reference(CHECKPOINT, parts)


def file_with(**arrays: np.ndarray) -> bytes:
    whole = built(*surveys(3)).to_bytes()
    length = int.from_bytes(whole[:8], "little")
    metadata = json.loads(whole[8 : 8 + length])["__metadata__"]
    return save({**load(whole), **arrays}, metadata)


def test_reference_survives_its_file() -> None:
    reference = built(*surveys(9))

    read = Reference.from_bytes(reference.to_bytes())

    assert read.to_bytes() == reference.to_bytes()
    assert read.content_hash == reference.content_hash
    assert (read.images_count, read.checkpoint_hash) == (9, CHECKPOINT)


def test_reference_is_the_same_whatever_the_order_of_the_pictures() -> None:
    parts = surveys(9)

    assert built(*parts).content_hash == built(*reversed(parts)).content_hash


def test_reference_counts_equal_pictures_once() -> None:
    assert built(*surveys(1) * 20).content_hash == built(*surveys(1)).content_hash


def test_reference_has_another_hash_when_it_is_of_other_pictures() -> None:
    assert built(*surveys(3)).content_hash != built(*surveys(4)).content_hash


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_reference_tells_a_defective_picture_from_a_good_one(count: int) -> None:
    reference = built(*surveys(count))

    assert not reference.resembles(survey(1000, is_defective=True))
    assert count < 8 or reference.resembles(survey(1000))


def test_reference_leaves_out_the_defective_of_its_pictures() -> None:
    good = surveys(38)
    bad = [survey(100 + number, is_defective=True) for number in range(2)]

    reference = built(*good, *bad)

    assert reference.images_count == 38
    assert not reference.resembles(survey(1000, is_defective=True))


def test_reference_leaves_out_a_fifth_at_most() -> None:
    parts = [*surveys(10), *(survey(100 + n, is_defective=True) for n in range(6))]

    assert built(*parts).images_count >= 16 - 2 * 3


def test_reference_of_two_products_knows_both() -> None:
    reference = built(*surveys(12), *surveys(12, product=1))

    assert reference.images_count == 24
    assert reference.resembles(survey(1000))
    assert reference.resembles(survey(1000, product=1))
    assert not reference.resembles(survey(1000, product=2))


def test_reference_stays_finite_when_every_patch_is_equal() -> None:
    flat = replace(survey(0), patches=np.zeros((TAPS, PATCHES, WIDTH), dtype=np.float16))

    reference = built(flat)

    assert Reference.from_bytes(reference.to_bytes()).images_count == 1


def test_reference_takes_at_most_8_mb_of_four_taps_of_the_largest_backbone() -> None:
    one_tap = Survey(
        checkpoint_hash=CHECKPOINT,
        key="large",
        patches=np.ones((1, 1, 1024), dtype=np.float16),
        text=None,
    )

    assert 4 * len(built(one_tap).to_bytes()) <= 8_000_000


def test_reference_has_no_text_from_a_checkpoint_without_adapters() -> None:
    assert built(survey(1, has_text=False)).text.shape == (0,)


def test_reference_needs_a_picture() -> None:
    with pytest.raises(CheckpointError, match="needs a good picture"):
        built()


def test_reference_refuses_surveys_by_another_checkpoint() -> None:
    with pytest.raises(CheckpointError, match="another checkpoint"):
        built(survey(1), survey(2, checkpoint_hash="d" * 64))


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\xff" * 100, b"\x02" + b"\0" * 7 + b"{}"])
def test_reference_refuses_a_file_that_is_none(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="no whole reference"):
        Reference.from_bytes(data)


def test_reference_refuses_a_file_that_was_cut() -> None:
    whole = built(*surveys(3)).to_bytes()

    with pytest.raises(CheckpointError, match="no whole reference"):
        Reference.from_bytes(whole[:-10])


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.zeros((TAPS, WIDTH + 1), dtype=np.float32)},
        {"mean": np.zeros((TAPS, WIDTH), dtype=np.float64)},
        {"noise": np.zeros(TAPS, dtype=np.float32)},
        {"noise": np.full(TAPS, np.nan, dtype=np.float32)},
        {"distance": np.ones(2, dtype=np.float32)},
        {"text": np.ones(1, dtype=np.float32)},
    ],
)
def test_reference_refuses_arrays_that_do_not_fit(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(CheckpointError, match="no whole reference"):
        Reference.from_bytes(file_with(**arrays))


def test_reference_refuses_a_file_of_another_format() -> None:
    reference = built(*surveys(3))
    data = save(load(reference.to_bytes()), {"reference": json.dumps({"format": 99})})

    with pytest.raises(CheckpointError, match="format 99"):
        Reference.from_bytes(data)


def test_survey_keeps_every_patch_that_has_room() -> None:
    patches = np.arange(48, dtype=np.float16).reshape(2, 8, 3)
    image = np.zeros((4, 4, 3), dtype=np.uint8)

    made = survey_of(CHECKPOINT, image, patches, None, limit_bytes=patches.nbytes)

    assert (made.patches == patches).all()


def test_survey_draws_the_same_patches_from_equal_pictures() -> None:
    patches = np.random.default_rng(1).standard_normal((2, 100, 3)).astype(np.float16)
    image = np.full((4, 4, 3), 7, dtype=np.uint8)

    one, other = (
        survey_of(CHECKPOINT, image, patches, None, limit_bytes=patches.nbytes // 10)
        for _ in range(2)
    )

    assert one.patches.shape == (2, 10, 3)
    assert (one.patches == other.patches).all()


def test_survey_survives_pickling() -> None:
    made = pickle.loads(pickle.dumps(survey(1)))  # noqa: S301

    assert made.key == survey(1).key
    assert (made.patches == survey(1).patches).all()
