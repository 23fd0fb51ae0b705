"""Questions as people ask them of the history: every filter and order; for measuring it."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from inspection.domain.inspection import Verdict
from inspection.store import inspections, measures
from inspection.store.database import Database
from inspection.store.history_cursor import Sort
from inspection.store.history_query import HistoryQuery
from inspection.store.inspections import HistoryRow
from inspection.store.specimen import Specimen

#: Questions asked; of each two pages are looked at, if there are two.
QUESTIONS: Final = 300
#: Lengths of the time asked for.
RANGES: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=1), timedelta(days=7))
#: Filters in one question at most.
FILTERS: Final = 4


def history_ms(database: Database, specimen: Specimen) -> list[float]:
    """Return how long each page took, in milliseconds, in a transaction of its own."""
    return [taken_ms for taken_ms, _, _ in asked(database, specimen)]


def asked(
    database: Database, specimen: Specimen, *, seed: int = 1, count: int = QUESTIONS
) -> Iterator[tuple[float, HistoryQuery, list[HistoryRow]]]:
    """Ask questions of all kinds; give how long each page took, what it was and what it showed."""
    rng = random.Random(seed)
    examples = _examples(database, specimen, rng)
    for _ in range(count):
        query: HistoryQuery | None = _question(specimen, examples, rng)
        for _ in range(2):
            if query is None:
                break
            rows: list[HistoryRow] = []
            taken_ms = measures.timed_ms(partial(_fill, database, query, rows))
            yield taken_ms, query, rows
            is_full = len(rows) == query.limit
            query = replace(query, before=rows[-1].cursor) if is_full else None


def _page(database: Database, query: HistoryQuery) -> list[HistoryRow]:
    with database.read() as connection:
        return inspections.history(connection, query)


def _fill(database: Database, query: HistoryQuery, rows: list[HistoryRow]) -> None:
    rows += _page(database, query)


def _examples(database: Database, specimen: Specimen, rng: random.Random) -> list[HistoryRow]:
    """Return inspections from all over the time, to ask for what there is."""
    found: list[HistoryRow] = []
    for _ in range(20):
        to_at = _moment(specimen, rng)
        verdict = rng.choice((None, Verdict.NG))
        found += _page(database, HistoryQuery(to_at=to_at, verdict=verdict, limit=3))
    return found


def _moment(specimen: Specimen, rng: random.Random) -> datetime:
    return specimen.from_at + rng.uniform(0.1, 1) * (specimen.to_at - specimen.from_at)


def _question(specimen: Specimen, examples: list[HistoryRow], rng: random.Random) -> HistoryQuery:
    like = rng.choice(examples)
    low, high = sorted((like.score, like.score + rng.choice((-0.3, -0.002, 0.002, 0.3))))
    choices: dict[str, Any] = {
        "line": like.line,
        "station": like.station,
        "camera": like.identity.camera,
        "product": like.product,
        "verdict": rng.choice(list(Verdict)),
        "score_min": low,
        "score_max": high,
        "part_serial": like.part_serial,
        "lot": like.lot,
        "checkpoint": like.checkpoint_hash,
        "threshold_id": like.threshold_id,
        "is_reviewed": rng.choice((True, False)),
        "review": "NG",
    }
    to_at = rng.choice((specimen.to_at, _moment(specimen, rng)))
    names = rng.sample(list(choices), rng.randint(0, FILTERS))
    return HistoryQuery(
        **{name: choices[name] for name in names},
        from_at=to_at - rng.choice(RANGES),
        to_at=to_at,
        sort=rng.choice(list(Sort)),
    )
