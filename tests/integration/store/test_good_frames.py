"""Frames that references are made of."""

from collections.abc import Sequence
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry, Reason
from inspection.domain.reference import ReferencePlace
from inspection.store import ledger
from inspection.store.database import Database
from inspection.store.good_frames import GoodFrame, last_good_frames, next_good_frames
from tests import factories
from tests.factories import NOON

TOP = ReferencePlace(line="line-1", station="station-1", product="washer")


def ok(number: int, **changes: Any) -> Entry:
    kept = {"picture": factories.picture(), "sequence_number": number}
    return factories.inspected(**kept | changes)


def pending(number: int, **changes: Any) -> Entry:
    inspection = factories.inspection(
        verdict=Verdict.PENDING, threshold=None, sequence_number=number
    )
    return ok(number, **{"inspection": inspection} | changes)


def uninspected(number: int, reason: Reason) -> Entry:
    return factories.uninspected(
        sequence_number=number,
        reason=reason,
        frame=factories.frame(sequence_number=number),
        picture=factories.picture(),
    )


@pytest.fixture
def recorded(site_database: Database) -> Database:
    """Frames 1 to 8 of cam-1, of which 1, 4 and 7 are OK, and one of each other camera."""
    entries = [
        ok(1),
        pending(2),
        ok(3, score=0.75, verdict=Verdict.NG),
        ok(4),
        ok(5, picture=None),
        uninspected(6, Reason.REFERENCE),
        ok(7, product=None),
        uninspected(8, Reason.CORRUPT),
        ok(1, camera="cam-2"),
        ok(1, camera="cam-3"),
    ]
    with site_database.write() as connection:
        for entry in entries:
            ledger.record(connection, [entry], at=NOON)
    return site_database


def frame_ids(frames: Sequence[GoodFrame]) -> list[str]:
    return [frame.identity.frame_id for frame in frames]


def following(database: Database, after: int, **choice: Any) -> tuple[list[GoodFrame], int]:
    with database.read() as connection:
        return next_good_frames(
            connection, **{"lines": ["line-1"], "after": after, "limit": 100} | choice
        )


def test_last_good_frames_of_a_judged_line_are_those_found_ok_whose_picture_is_kept(
    recorded: Database,
) -> None:
    with recorded.read() as connection:
        frames = last_good_frames(connection, TOP, 10, is_judged=True)
        newest = last_good_frames(connection, TOP, 1, is_judged=True)

    assert frame_ids(frames) == ["cam-1/4", "cam-1/1"]
    assert frame_ids(newest) == ["cam-1/4"]
    assert frames[0].place == TOP
    assert frames[0].picture == factories.picture()


def test_last_good_frames_of_a_line_nobody_judges_are_those_that_are_not_ng(
    recorded: Database,
) -> None:
    with recorded.read() as connection:
        frames = last_good_frames(connection, TOP, 10, is_judged=False)

    assert frame_ids(frames) == ["cam-1/6", "cam-1/4", "cam-1/2", "cam-1/1"]


def test_frames_of_which_nobody_said_what_is_on_them_are_of_the_general_product(
    recorded: Database,
) -> None:
    general = ReferencePlace(line="line-1", station="station-1")

    with recorded.read() as connection:
        frames = last_good_frames(connection, general, 10, is_judged=True)

    assert frame_ids(frames) == ["cam-1/7"]


def test_good_frames_follow_one_another_in_the_order_they_were_recorded(
    recorded: Database,
) -> None:
    first, position = following(recorded, 0, limit=3)
    rest, end = following(recorded, position, limit=3)
    nothing, _ = following(recorded, end)

    assert frame_ids(first) == ["cam-1/1", "cam-1/2", "cam-1/4"]
    assert frame_ids(rest) == ["cam-1/6", "cam-1/7", "cam-2/1"]
    assert nothing == []


def test_position_moves_past_frames_that_are_not_asked_for(recorded: Database) -> None:
    frames, position = following(recorded, 0, without=[TOP], lines=["line-1", "line-2"])
    again, end = following(recorded, position)

    assert frame_ids(frames) == ["cam-1/7", "cam-2/1", "cam-3/1"]
    assert (again, end) == ([], position)
