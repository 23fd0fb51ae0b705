"""The history against brute force: any filters, any order, page by page, on a small random one."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Inspected
from inspection.errors import CursorError
from inspection.store import history_search, inspections, ledger, tables, thresholds
from inspection.store.database import Database
from inspection.store.history_cursor import Sort
from inspection.store.history_query import DECISIONS, HistoryQuery
from inspection.store.inspections import HistoryRow
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

CAMERAS = {"cam-1": "station-1", "cam-2": "station-2", "cam-3": "station-1"}
#: Scores that are on the edges of bins, equal, beyond them, and in between.
SCORES = (-0.5, 0.0, 0.123, 0.4995, 0.5, 0.5000001, 0.9, 1.0, 7.5)
FROM_AT = NOON - timedelta(days=20)

ORDERS: dict[Sort, Callable[[HistoryRow], Any]] = {
    Sort.NEWEST: lambda row: (row.identity.captured_at, row.inspection_id),
    Sort.OLDEST: lambda row: (row.identity.captured_at, row.inspection_id),
    Sort.HIGHEST: lambda row: (row.score, row.identity.captured_at, row.inspection_id),
    Sort.LOWEST: lambda row: (row.score, row.identity.captured_at, row.inspection_id),
    Sort.CLOSEST: lambda row: (row.distance, row.identity.captured_at, row.inspection_id),
}


def entries(rng: random.Random, count: int) -> list[Inspected]:
    made = []
    numbers = dict.fromkeys(CAMERAS, 0)
    for _ in range(count):
        camera = rng.choice(list(CAMERAS))
        numbers[camera] += 1
        number = numbers[camera]
        # Bursts with equal times, and long silence between them.
        at = FROM_AT + timedelta(
            days=rng.choice((0, 0.01, 5, 5.5, 12, 19)), seconds=rng.randrange(9)
        )
        score = rng.choice(SCORES) if rng.random() < 0.4 else rng.gauss(0.4, 0.1)
        product = rng.choice(("washer", "bolt", None))
        value = None if camera == "cam-3" else rng.choice((0.5, 0.55))
        verdict = Verdict.PENDING
        if value is not None:
            verdict = Verdict.NG if score > value else Verdict.OK
        given = {"camera": camera, "sequence_number": number, "captured_at": at}
        made.append(
            factories.inspected(
                **given,
                frame=factories.frame(
                    **given,
                    product=product,
                    part_serial=rng.choice((None, "S-1", f"S-{number}")),
                    lot=rng.choice((None, "L-1", "L-2")),
                ),
                inspection=factories.inspection(
                    **given,
                    product=product,
                    score=score,
                    verdict=verdict,
                    threshold=None
                    if value is None
                    else factories.threshold(
                        value=value, threshold_id={0.5: 1, 0.55: 2}[value], version=1
                    ),
                    checkpoint_hash=rng.choice((CHECKPOINT_HASH, "beef" * 16)),
                ),
            )
        )
    return made


@pytest.fixture
def rng() -> random.Random:
    return random.Random(20_261_122)


@pytest.fixture
def past(site_database: Database, rng: random.Random) -> list[HistoryRow]:
    """Everything there is in a history of 240 inspections; a few are reviewed."""
    with site_database.write() as connection:
        thresholds.set_threshold(
            connection, factories.scope(), 0.55, at=NOON, by="test", reason="second"
        )
        ledger.record(connection, entries(rng, 240), at=NOON)
        row = tables.inspections.c
        for decision in DECISIONS:
            reviewed = row.ledger_id.in_(rng.sample(range(1, 241), 12))
            connection.execute(update(tables.inspections).where(reviewed).values(review=decision))
    with site_database.read() as connection:
        return [inspections.get(connection, number) for number in range(1, 241)]


def is_meant(row: HistoryRow, asked: dict[str, Any]) -> bool:
    exact = {
        "line": row.line,
        "station": row.station,
        "camera": row.identity.camera,
        "product": row.product,
        "verdict": row.verdict,
        "part_serial": row.part_serial,
        "lot": row.lot,
        "checkpoint": row.checkpoint_hash,
        "threshold_id": row.threshold_id,
        "review": row.review,
        "is_reviewed": row.review is not None,
    }
    at = row.identity.captured_at
    return (
        all(value == asked[name] for name, value in exact.items() if name in asked)
        and asked.get("score_min", row.score) <= row.score <= asked.get("score_max", row.score)
        and asked.get("from_at", at) <= at < asked.get("to_at", at + timedelta(1))
    )


def random_filters(rng: random.Random) -> dict[str, Any]:
    low, high = sorted((rng.choice(SCORES), rng.gauss(0.4, 0.2)))
    first, last = sorted(FROM_AT + timedelta(days=rng.uniform(-1, 21)) for _ in range(2))
    choices: dict[str, list[Any]] = {
        "line": ["line-1", "line-2"],
        "station": ["station-1", "station-2"],
        "camera": list(CAMERAS),
        "product": ["washer", "bolt", "absent"],
        "verdict": list(Verdict),
        "score_min": [low],
        "score_max": [high],
        "from_at": [first],
        "to_at": [last],
        "part_serial": ["S-1"],
        "lot": ["L-1"],
        "checkpoint": ["beef" * 16],
        "threshold_id": [1, 2],
        "review": list(DECISIONS),
        "is_reviewed": [True, False],
    }
    return {
        name: rng.choice(choices[name])
        for name in rng.sample(list(choices), rng.choice((0, 1, 1, 2, 3)))
    }


def pages(database: Database, query: dict[str, Any]) -> list[HistoryRow]:
    rows: list[HistoryRow] = []
    before: str | None = None
    while True:
        with database.read() as connection:
            page = inspections.history(connection, HistoryQuery(**query, before=before))
        rows += page
        if len(page) < query["limit"]:
            return rows
        before = page[-1].cursor


@pytest.mark.parametrize(("walk", "few"), [(4_000, 5_000), (10, 0), (3, 15)])
def test_pages_show_exactly_what_brute_force_finds(
    site_database: Database,
    past: list[HistoryRow],
    rng: random.Random,
    monkeypatch: pytest.MonkeyPatch,
    walk: int,
    few: int,
) -> None:
    monkeypatch.setattr(history_search, "WALK", walk)
    monkeypatch.setattr(history_search, "FEW", few)

    for _ in range(20):
        asked, sort = random_filters(rng), rng.choice(list(Sort))
        shown = pages(site_database, asked | {"sort": sort, "limit": rng.choice((7, 50))})

        meant = [row for row in past if is_meant(row, asked)]
        if sort is Sort.CLOSEST:
            meant = [row for row in meant if row.distance is not None]
        meant.sort(key=ORDERS[sort], reverse=sort in (Sort.NEWEST, Sort.HIGHEST))
        assert [row.inspection_id for row in shown] == [row.inspection_id for row in meant], (
            asked,
            sort,
        )


def test_cursor_of_another_order_is_refused(
    site_database: Database, past: list[HistoryRow]
) -> None:
    assert past
    with site_database.read() as connection:
        newest = inspections.history(connection, HistoryQuery(limit=1))[0].cursor
        worst = inspections.history(connection, HistoryQuery(limit=1, sort=Sort.HIGHEST))[0].cursor

        for cursor, sort in ((newest, Sort.OLDEST), (newest, Sort.HIGHEST), (worst, Sort.LOWEST)):
            with pytest.raises(CursorError, match="no cursor of this order"):
                inspections.history(connection, HistoryQuery(before=cursor, sort=sort))
