"""Which threshold is in force, and names."""

from itertools import permutations

import pytest

from inspection.domain.line import Threshold, checked_name, deciding_threshold
from inspection.errors import ConfigurationError
from tests.factories import CHECKPOINT_HASH, camera, scope, threshold

REFERENCE_HASH = "feed" * 16

LINE = threshold(threshold_id=1, value=0.1, scope=scope())
PRODUCT = threshold(threshold_id=2, value=0.2, scope=scope(product="washer"))
STATION = threshold(threshold_id=3, value=0.3, scope=scope(station="station-1"))
CAMERA = threshold(threshold_id=4, value=0.4, scope=scope(camera="cam-1"))


def threshold_in_force(
    there: list[Threshold],
    *,
    checkpoint_hash: str = CHECKPOINT_HASH,
    reference_hash: str | None = None,
) -> Threshold | None:
    decided_by = deciding_threshold(there, camera=camera(), product="washer")
    if decided_by is None:
        return None
    is_judge = decided_by.judges(checkpoint_hash=checkpoint_hash, reference_hash=reference_hash)
    return decided_by if is_judge else None


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
        assert threshold_in_force(list(order)) is winner


def test_thresholds_of_other_products_stations_cameras_and_lines_do_not_count() -> None:
    others = [
        threshold(scope=scope(line="line-2")),
        threshold(scope=scope(product="nut")),
        threshold(scope=scope(station="station-2")),
        threshold(scope=scope(camera="cam-2")),
    ]

    assert threshold_in_force(others) is None


def test_a_withdrawn_threshold_leaves_the_frame_pending() -> None:
    withdrawn = threshold(threshold_id=5, version=2, value=None, scope=scope(camera="cam-1"))

    assert threshold_in_force([LINE, withdrawn]) is None


def test_of_two_scopes_of_one_station_the_one_with_a_product_wins_whatever_the_versions() -> None:
    of_both = threshold(threshold_id=6, scope=scope(station="station-1", product="washer"))
    newer = threshold(threshold_id=7, version=9, scope=scope(station="station-1"))

    assert threshold_in_force([newer, of_both]) is of_both
    assert threshold_in_force([newer, of_both, CAMERA]) is CAMERA


def test_a_threshold_set_by_hand_judges_scores_of_every_checkpoint_and_reference() -> None:
    assert threshold_in_force([LINE], checkpoint_hash="other") is LINE
    assert threshold_in_force([LINE], reference_hash=REFERENCE_HASH) is LINE


@pytest.mark.parametrize("reference_hash", [None, REFERENCE_HASH])
def test_a_bound_threshold_judges_scores_of_its_checkpoint_and_reference_alone(
    reference_hash: str | None,
) -> None:
    bound = threshold(checkpoint_hash=CHECKPOINT_HASH, reference_hash=reference_hash)
    other_reference = REFERENCE_HASH if reference_hash is None else None

    assert bound.is_bound
    assert threshold_in_force([bound], reference_hash=reference_hash) is bound
    assert threshold_in_force([bound], reference_hash=other_reference) is None
    assert (
        threshold_in_force([bound], checkpoint_hash="other", reference_hash=reference_hash) is None
    )


def test_a_bound_threshold_that_cannot_judge_a_score_leaves_the_frame_pending() -> None:
    bound = threshold(
        threshold_id=5, scope=scope(camera="cam-1"), checkpoint_hash="that of another detector"
    )

    assert threshold_in_force([LINE, bound]) is None


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "ä", "a" * 65, "a{b}"])
def test_a_name_that_cannot_be_a_key_or_file_is_refused_with_the_cure(name: str) -> None:
    with pytest.raises(ConfigurationError, match="take 1 to 64 letters"):
        checked_name(name, thing="camera")
