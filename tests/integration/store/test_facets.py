"""Counts of the history: from histograms or row by row, always what brute force counts."""

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.errors import ConfigurationError
from inspection.store import facets, ledger
from inspection.store.database import Database
from inspection.store.facets import Count
from inspection.store.history_query import HistoryFilter
from tests import factories
from tests.factories import NOON

#: Exposures around hours and midnight, over three days.
OFFSETS_S = (-1, 0, 1, 1_800, 3_599, 3_600, 43_199, 43_200, 86_400, 130_000, 200_000)


@pytest.fixture
def past(site_database: Database) -> list[tuple[str, datetime, Verdict]]:
    """Camera, time and verdict of everything there is."""
    rng = random.Random(7)
    made = []
    for number in range(1, 121):
        camera = rng.choice(("cam-1", "cam-2", "cam-3"))
        score = rng.random()
        made.append((camera, number, NOON + timedelta(seconds=rng.choice(OFFSETS_S)), score))
    with site_database.write() as connection:
        ledger.record(
            connection,
            [
                factories.inspected(
                    camera=camera,
                    sequence_number=number,
                    captured_at=at,
                    score=score,
                    verdict=Verdict.NG if score > 0.5 else Verdict.OK,
                )
                for camera, number, at, score in made
            ],
            at=NOON + timedelta(days=4),
        )
    return [
        (camera, at, Verdict.NG if score > 0.5 else Verdict.OK) for camera, _, at, score in made
    ]


def test_hours_and_facets_count_what_brute_force_counts(
    site_database: Database, past: list[tuple[str, datetime, Verdict]]
) -> None:
    edges = [NOON + timedelta(seconds=seconds) for seconds in (-7_200, *OFFSETS_S, 300_000)]
    rng = random.Random(8)

    for _ in range(40):
        from_at, to_at = sorted(rng.choices(edges, k=2))
        asked: dict[str, Any] = {}
        if rng.random() < 0.5:
            asked["camera"] = rng.choice(("cam-1", "cam-2"))
        if rng.random() < 0.5:
            asked["verdict"] = rng.choice((Verdict.OK, Verdict.NG))
        # One that histograms do not know: the same rows, counted one by one.
        if rng.random() < 0.3:
            asked["is_reviewed"] = False
        meant = [
            (camera, at, verdict)
            for camera, at, verdict in past
            if from_at <= at < to_at
            and asked.get("camera", camera) == camera
            and asked.get("verdict", verdict) == verdict
        ]
        filters = HistoryFilter(**asked, from_at=from_at, to_at=to_at)
        with site_database.read() as connection:
            by_hour = facets.hour_counts(connection, filters)
            by_value = facets.facets(connection, filters)

        hours = Counter((at.replace(minute=0, second=0), verdict.value) for _, at, verdict in meant)
        found = {(hour.at, v): n for hour in by_hour.hours for v, n in hour.verdicts.items()}
        assert found == hours
        assert by_hour.total == by_value.total == Count(count=len(meant), is_exact=True)
        assert by_value.values.get("camera", {}) == Counter(camera for camera, _, _ in meant)
        assert by_value.values.get("verdict", {}) == Counter(v.value for _, _, v in meant)


def test_more_rows_than_are_counted_one_by_one_are_said_to_be_more(
    site_database: Database,
    past: list[tuple[str, datetime, Verdict]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facets, "MOST", 10)

    with site_database.read() as connection:
        some = facets.facets(connection, HistoryFilter(score_min=0.0))
        all_ = facets.facets(connection, HistoryFilter())

    assert some.total == Count(count=10, is_exact=False)
    assert all_.total == Count(count=len(past), is_exact=True)


def test_hours_of_no_time_or_of_too_long_a_time_are_not_counted(site_database: Database) -> None:
    year = HistoryFilter(from_at=NOON, to_at=NOON + timedelta(days=365))

    with site_database.read() as connection:
        for asked in (HistoryFilter(), year):
            with pytest.raises(ConfigurationError, match="over 31 days at most"):
                facets.hour_counts(connection, asked)
