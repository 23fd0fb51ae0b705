"""Sequences of parts on a simulated conveyor."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspection.capture.rendering import PRODUCTS, Conveyor, defects_of
from inspection.errors import ConfigurationError


def coarse(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def test_conveyor_brings_the_same_part_when_asked_again_in_another_order() -> None:
    forwards = [
        Conveyor(product="metal washer", seed=3, size_px=96, defect_rate=0.5).part(index)
        for index in range(4)
    ]

    conveyor = Conveyor(product="metal washer", seed=3, size_px=96, defect_rate=0.5)
    backwards = [conveyor.part(index) for index in reversed(range(4))]

    for one, other in zip(forwards, reversed(backwards), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)
        assert one.defect == other.defect


def test_conveyor_brings_no_defect_among_its_first_good_parts() -> None:
    conveyor = Conveyor(
        product="metal washer", seed=1, size_px=48, defect_rate=1.0, good_parts_count=5
    )

    parts = [conveyor.part(index) for index in range(7)]

    assert [part.defect is None for part in parts] == [True] * 5 + [False] * 2
    assert [bool(part.mask.any()) for part in parts] == [False] * 5 + [True] * 2


def test_conveyor_keeps_its_defect_rate_and_brings_every_defect() -> None:
    conveyor = Conveyor(product="printed label", seed=8, size_px=48, defect_rate=0.2)

    defects = [conveyor.defect(index) for index in range(2000)]

    found = [defect for defect in defects if defect is not None]
    assert len(found) / len(defects) == pytest.approx(0.2, abs=0.03)
    assert set(found) == set(defects_of("printed label"))


@pytest.mark.parametrize("product", PRODUCTS)
def test_conveyor_varies_its_parts_but_never_repeats_a_picture(product: str) -> None:
    conveyor = Conveyor(product=product, seed=2, size_px=96, defect_rate=0)

    first, second = conveyor.part(0).image, conveyor.part(1).image

    assert not np.array_equal(first, second)


@pytest.mark.parametrize("product", PRODUCTS)
def test_conveyor_keeps_one_design_while_another_seed_brings_another(product: str) -> None:
    conveyors = [Conveyor(product=product, seed=seed, size_px=96) for seed in range(4)]

    within = [np.abs(coarse(c.part(0).image) - coarse(c.part(1).image)).mean() for c in conveyors]

    firsts = [coarse(c.part(0).image) for c in conveyors]
    between = [np.abs(firsts[i] - firsts[i - 1]).mean() for i in range(4)]
    assert np.median(within) < 0.7 * np.median(between)


def test_conveyor_refuses_values_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match="defect_rate"):
        Conveyor(product="metal washer", seed=1, defect_rate=1.5)

    with pytest.raises(ConfigurationError, match="good_parts_count"):
        Conveyor(product="metal washer", seed=1, good_parts_count=-1)

    with pytest.raises(ConfigurationError, match="No product 'plum'"):
        Conveyor(product="plum", seed=1)
