"""Which threshold is in force, and names."""

from itertools import permutations

import pytest

from inspection.domain.line import checked_name, threshold_in_force
from inspection.errors import ConfigurationError
from tests.factories import camera, scope, threshold

LINE = threshold(threshold_id=1, value=0.1, scope=scope())
PRODUCT = threshold(threshold_id=2, value=0.2, scope=scope(product="washer"))
STATION = threshold(threshold_id=3, value=0.3, scope=scope(station="station-1"))
CAMERA = threshold(threshold_id=4, value=0.4, scope=scope(camera="cam-1"))


@pytest.mark.parametrize(
    ("there", "winner"),
    [
        ([LINE], LINE),
        ([LINE, PRODUCT], PRODUCT),
        ([LINE, PRODUCT, STATION], STATION),
        ([LINE, PRODUCT, STATION, CAMERA], CAMERA),
    ],
)
def test_the_most_specific_threshold_wins_in_any_order(there: list, winner: object) -> None:
    for order in permutations(there):
        assert threshold_in_force(list(order), camera=camera(), product="washer") is winner


def test_thresholds_of_other_products_stations_cameras_and_lines_do_not_count() -> None:
    others = [
        threshold(scope=scope(line="line-2")),
        threshold(scope=scope(product="nut")),
        threshold(scope=scope(station="station-2")),
        threshold(scope=scope(camera="cam-2")),
    ]

    assert threshold_in_force(others, camera=camera(), product="washer") is None


def test_a_withdrawn_threshold_leaves_the_frame_pending() -> None:
    withdrawn = threshold(threshold_id=5, version=2, value=None, scope=scope(camera="cam-1"))

    assert threshold_in_force([LINE, withdrawn], camera=camera(), product="washer") is None


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "ä", "a" * 65, "a{b}"])
def test_a_name_that_cannot_be_a_key_or_file_is_refused_with_the_cure(name: str) -> None:
    with pytest.raises(ConfigurationError, match="take 1 to 64 letters"):
        checked_name(name, thing="camera")
