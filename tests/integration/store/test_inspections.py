"""The history: every filter, pages without gaps, and what is counted."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from inspection.domain.inspection import Latencies, Verdict
from inspection.domain.ledger import Entry
from inspection.errors import CursorError, NotFoundError
from inspection.store import inspections, ledger
from inspection.store.database import Database
from inspection.store.inspections import HistoryQuery, HistoryRow, LatencySummary
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

LATER = NOON + timedelta(seconds=2)


def second(number: float) -> timedelta:
    return timedelta(seconds=number)


#: Query, and the frames it shows of the four of `varied`.
QUERIES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["cam-3/1", "cam-1/2", "cam-2/1", "cam-1/1"]),
    ({"line": "line-1"}, ["cam-1/2", "cam-2/1", "cam-1/1"]),
    ({"station": "station-1"}, ["cam-3/1", "cam-1/2", "cam-1/1"]),
    ({"line": "line-1", "station": "station-1"}, ["cam-1/2", "cam-1/1"]),
    ({"station": "station-9"}, []),
    ({"camera": "cam-2"}, ["cam-2/1"]),
    ({"product": "label"}, ["cam-3/1"]),
    ({"verdict": Verdict.NG}, ["cam-2/1"]),
    ({"verdict": Verdict.OK}, ["cam-1/2", "cam-1/1"]),
    ({"verdict": Verdict.PENDING}, ["cam-3/1"]),
    ({"score_min": 0.5}, ["cam-3/1", "cam-1/2", "cam-2/1"]),
    ({"score_max": 0.5}, ["cam-1/2", "cam-1/1"]),
    ({"score_min": 0.5, "score_max": 0.5}, ["cam-1/2"]),
    ({"from_at": NOON + second(1)}, ["cam-3/1", "cam-1/2", "cam-2/1"]),
    ({"to_at": NOON + second(1)}, ["cam-1/1"]),
    ({"part_serial": "S-2"}, ["cam-1/2"]),
    ({"lot": "L-8"}, ["cam-1/2"]),
    ({"lot": "L-7", "verdict": Verdict.NG, "line": "line-1"}, ["cam-2/1"]),
    ({"limit": 1}, ["cam-3/1"]),
]


def record(database: Database, *entries: Entry) -> None:
    with database.write() as connection:
        ledger.record(connection, entries, at=LATER)


def history(database: Database, **query: Any) -> list[HistoryRow]:
    with database.read() as connection:
        return inspections.history(connection, HistoryQuery(**query))


def frame_ids(rows: list[HistoryRow]) -> list[str]:
    return [row.identity.frame_id for row in rows]


@pytest.fixture
def varied(site_database: Database) -> Database:
    """Four inspections that differ in everything, and two frames without inspection."""
    pending = factories.inspection(
        camera="cam-3",
        captured_at=NOON + second(3),
        product="label",
        score=0.7,
        verdict=Verdict.PENDING,
        threshold=None,
    )
    record(
        site_database,
        factories.inspected(score=0.1),
        factories.inspected(
            camera="cam-2", captured_at=NOON + second(1), score=0.9, verdict=Verdict.NG
        ),
        factories.inspected(
            sequence_number=2,
            captured_at=NOON + second(2),
            frame=factories.frame(
                sequence_number=2, captured_at=NOON + second(2), part_serial="S-2", lot="L-8"
            ),
            score=0.5,
            picture=factories.picture(),
        ),
        factories.inspected(
            camera="cam-3", captured_at=NOON + second(3), product="label", inspection=pending
        ),
        factories.uninspected(sequence_number=3),
        factories.dropped(sequence_number=4),
    )
    return site_database


def test_history_shows_what_the_query_asks_for(varied: Database) -> None:
    shown = [(query, frame_ids(history(varied, **query))) for query, _ in QUERIES]

    assert shown == QUERIES


def test_history_row_explains_its_verdict(varied: Database) -> None:
    (row,) = history(varied, part_serial="S-2")

    assert row == HistoryRow(
        inspection_id=row.inspection_id,
        identity=factories.identity(sequence_number=2, captured_at=NOON + second(2)),
        line="line-1",
        station="station-1",
        product="washer",
        part_serial="S-2",
        lot="L-8",
        trigger_id="T-42",
        score=0.5,
        verdict=Verdict.OK,
        threshold_value=0.5,
        threshold_version=1,
        threshold_id=1,
        distance=0.0,
        review=None,
        checkpoint_hash=CHECKPOINT_HASH,
        reference_hash=None,
        waited_ms=3.0,
        inference_ms=40.0,
        latency_ms=0.0,
        picture=factories.picture(),
        picture_gone=None,
        map_gone=None,
        recorded_at=LATER,
        cursor=row.cursor,
    )


def test_row_says_which_reference_it_was_scored_with(site_database: Database) -> None:
    inspection = factories.inspection(reference_hash="feed" * 16)
    with site_database.write() as connection:
        ledger.record(connection, [factories.inspected(inspection=inspection)], at=LATER)

    (row,) = history(site_database)

    assert row.reference_hash == "feed" * 16


def test_pending_row_has_no_threshold_and_no_picture(varied: Database) -> None:
    (row,) = history(varied, verdict=Verdict.PENDING)

    assert (row.threshold_value, row.threshold_version, row.picture) == (None, None, None)


def test_score_is_kept_to_the_last_bit(site_database: Database) -> None:
    score = 0.1 + 0.2 - 1e-17

    record(site_database, factories.inspected(score=score))

    assert [row.score for row in history(site_database)] == [score]


def test_pages_have_no_gaps_and_no_doubles_when_times_are_equal(site_database: Database) -> None:
    record(
        site_database,
        *[
            factories.inspected(
                camera=camera,
                sequence_number=number,
                captured_at=NOON + timedelta(milliseconds=number // 4),
            )
            for number in range(1, 21)
            for camera in ("cam-1", "cam-2")
        ],
    )
    whole = history(site_database, limit=100)

    pages: list[HistoryRow] = []
    while page := history(site_database, limit=7, before=pages[-1].cursor if pages else None):
        pages += page
        late = factories.inspected(camera="cam-3", sequence_number=len(pages), captured_at=LATER)
        record(site_database, late)

    assert pages == whole
    assert len(whole) == 40
    assert all(a.identity.captured_at >= b.identity.captured_at for a, b in pairwise(whole))


def test_cursor_that_is_none_is_refused(site_database: Database) -> None:
    for cursor in ("", "1", "a-b", "é", "WyJuZXdlc3QiXQ", "W1tb" * 50, "9" * 400):
        with pytest.raises(CursorError, match="no cursor"):
            history(site_database, before=cursor)


def test_history_of_an_unknown_line_or_camera_is_refused(site_database: Database) -> None:
    with pytest.raises(NotFoundError, match="line-1, line-2"):
        history(site_database, line="line-9")
    with pytest.raises(NotFoundError, match="cam-1, cam-2, cam-3"):
        history(site_database, camera="cam-9")


def test_one_inspection_is_found_by_its_id(varied: Database) -> None:
    for row in history(varied):
        with varied.read() as connection:
            assert inspections.get(connection, row.inspection_id) == row


def test_unknown_inspection_is_not_found(varied: Database) -> None:
    with varied.read() as connection, pytest.raises(NotFoundError, match="no inspection 99"):
        inspections.get(connection, 99)


def test_scores_of_a_line_are_the_first_or_the_last_by_exposure(varied: Database) -> None:
    with varied.read() as connection:
        assert inspections.first_scores(connection, "line-1", 2) == [0.1, 0.9]
        assert inspections.last_scores(connection, "line-1", 2) == [0.5, 0.9]
        assert inspections.last_scores(connection, "line-2", 9) == [0.7]
        assert inspections.last_scores(connection, "line-2", 9, product="washer") == []


def test_verdicts_are_counted(varied: Database) -> None:
    with varied.read() as connection:
        everything = inspections.verdict_counts(connection)
        newer = inspections.verdict_counts(connection, line="line-1", from_at=NOON + second(1))

    assert everything == {Verdict.OK: 2, Verdict.NG: 1, Verdict.PENDING: 1}
    assert newer == {Verdict.OK: 1, Verdict.NG: 1, Verdict.PENDING: 0}


def test_latencies_are_summarised(site_database: Database) -> None:
    latencies = Latencies(waited_ms=1, inference_ms=2)
    record(
        site_database,
        *[
            factories.inspected(
                sequence_number=n,
                captured_at=LATER - timedelta(milliseconds=n),
                inspection=factories.inspection(sequence_number=n, latencies=latencies),
            )
            for n in range(1, 101)
        ],
    )

    with site_database.read() as connection:
        summary = inspections.latency_summary(connection)
        newest = inspections.latency_summary(
            connection, line="line-1", from_at=LATER - timedelta(milliseconds=1)
        )
        none = inspections.latency_summary(connection, line="line-2")
    assert summary == LatencySummary(count=100, p50_ms=50, p99_ms=99, frames_per_second=0)
    assert newest == LatencySummary(count=1, p50_ms=1, p99_ms=1, frames_per_second=0)
    assert none is None
