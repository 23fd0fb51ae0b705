import io
import itertools

import numpy as np
import pytest
from PIL import Image

from inspection.capture.exposure import Exposure
from inspection.capture.rendering import Conveyor
from inspection.capture.simulated import SimulatedSource, part_serial
from inspection.domain.line import Encoding
from tests.conftest import Clock
from tests.factories import NOON, camera

PRODUCT = "metal washer"


def conveyor(seed: int = 5) -> Conveyor:
    return Conveyor(product=PRODUCT, seed=seed, size_px=64, defect_rate=0.5)


def taken(count: int, *, seed: int = 5, first_number: int = 1) -> list[Exposure]:
    source = SimulatedSource(
        camera(encoding=Encoding.PNG),
        conveyor(seed),
        clock=Clock(),
        first_number=first_number,
    )
    given = itertools.islice(source.exposures(), count)
    return [item for item in given if isinstance(item, Exposure)]


def test_simulated_camera_shows_the_parts_of_its_conveyor_in_order() -> None:
    images = [np.asarray(Image.open(io.BytesIO(exposure.payload))) for exposure in taken(3)]

    for index, image in enumerate(images):
        assert (image == conveyor().part(index).image).all()


def test_simulated_camera_gives_every_part_a_serial_number() -> None:
    assert [exposure.part_serial for exposure in taken(2, first_number=41)] == [
        "cam-1-000041",
        "cam-1-000042",
    ]
    assert part_serial("cam-1", 41) == "cam-1-000041"


def test_simulated_camera_goes_on_where_it_stopped() -> None:
    assert taken(2, first_number=3) == taken(4)[2:]


def test_simulated_camera_follows_from_its_seed() -> None:
    assert taken(2) == taken(2)
    assert taken(2) != taken(2, seed=6)


def test_simulated_camera_says_when_the_part_passed_and_cannot_repeat_it() -> None:
    (exposure,) = taken(1)

    assert exposure.captured_at == NOON
    assert exposure.key is None


@pytest.mark.parametrize("encoding", list(Encoding))
def test_simulated_camera_encodes_as_its_camera_says(encoding: Encoding) -> None:
    source = SimulatedSource(camera(encoding=encoding), conveyor(), clock=Clock())

    exposure = next(source.exposures())

    assert isinstance(exposure, Exposure)
    assert exposure.media_type == f"image/{encoding.value}"
