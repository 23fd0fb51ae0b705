"""What reviews say of verdicts: rates by version of threshold, and what to look at next."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from inspection.domain.histogram import HIGHEST, LOWEST, first_of
from inspection.domain.inspection import Verdict
from inspection.domain.line import Threshold
from inspection.domain.rates import Judged, Rates, bands_of, rates_of, thinnest
from inspection.domain.review import Decision
from inspection.errors import NotFoundError
from inspection.store import tables
from inspection.store.history_cursor import Sort
from inspection.store.history_query import HistoryQuery
from inspection.store.inspections import HistoryRow, history
from inspection.store.lines import line_id
from inspection.store.score_counts import Source, bin_column, score_counts, sources
from inspection.store.thresholds import selected, threshold_of


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Inspections of a line, of exposures in [from_at, to_at)."""

    line: str
    from_at: datetime
    to_at: datetime
    #: None: of all products.
    product: str | None = None


@dataclass(frozen=True, kw_only=True)
class VersionRates:
    """Measured rates of one version of a threshold."""

    threshold: Threshold
    rates: Rates


@dataclass(frozen=True, kw_only=True)
class LineRates:
    """Measured rates of a line: of all its verdicts, and by version of threshold."""

    asked: Asked
    rates: Rates
    #: The newest version first.
    versions: tuple[VersionRates, ...]


def line_rates(connection: Connection, asked: Asked) -> LineRates:
    """Measure false rejects and escapes.

    Args:
        connection: of a `Database.read`, so that reviews and counts are of one moment.
        asked: of which inspections.

    Raises:
        NotFoundError: there is no such line.
    """
    judged = judgements(connection, asked)
    by_version: defaultdict[int, list[Judged]] = defaultdict(list)
    for one in judged:
        by_version[one.threshold_id].append(one)
    found = _versions(connection, by_version)
    return LineRates(asked=asked, rates=rates_of(judged), versions=tuple(found))


def judgements(connection: Connection, asked: Asked) -> list[Judged]:
    """Return what versions of thresholds judged OK and NG, and what people said of it.

    Raises:
        NotFoundError: there is no such line.
    """
    line = line_id(connection, asked.line)
    found = sources(connection, line, product=asked.product)
    counted = score_counts(connection, line, found, from_at=asked.from_at, to_at=asked.to_at)
    populations: defaultdict[tuple[int, str], Counter[int]] = defaultdict(Counter)
    for (source_id, verdict, bin_), count in counted.items():
        threshold_id = found[source_id].threshold_id
        if threshold_id is not None and verdict != Verdict.PENDING:
            populations[threshold_id, verdict][bin_] += count
    decided = _decided(connection, line, found, asked)
    return [
        Judged(
            verdict=Verdict(verdict),
            threshold_id=threshold_id,
            population=population,
            decided=decided.get((threshold_id, verdict), {}),
        )
        for (threshold_id, verdict), population in sorted(populations.items())
    ]


def nearest_case(connection: Connection, asked: Asked) -> HistoryRow:
    """Return the inspection nearest to its threshold that nobody has reviewed.

    Raises:
        NotFoundError: there is no such line, or nothing is left to review.
    """
    found = _unreviewed(connection, asked, sort=Sort.CLOSEST)
    if found is None:
        raise _nothing_left(asked)
    return found


def random_case(
    connection: Connection, asked: Asked, verdict: Verdict, *, draw: float
) -> HistoryRow:
    """Return an inspection by chance, of those whose review tells most about a measured rate.

    It is the last before a moment drawn at random, of the band of scores of which people have
    seen the smallest part.

    Args:
        connection: an open transaction.
        asked: of which inspections.
        verdict: OK to measure escapes, NG to measure false rejects.
        draw: a random number from 0 to 1.

    Raises:
        NotFoundError: there is no such line, or nothing is left to review.
    """
    judged = [one for one in judgements(connection, asked) if one.verdict is verdict]
    band = thinnest([band for one in judged for band in bands_of(one)])
    if band is None:
        raise _nothing_left(asked)
    within: dict[str, Any] = {
        "verdict": verdict,
        "threshold_id": band.judged.threshold_id,
        "score_min": None if band.first_bin == LOWEST else first_of(band.first_bin),
        "score_max": None
        if band.last_bin == HIGHEST
        else math.nextafter(first_of(band.last_bin + 1), -math.inf),
    }
    moment = asked.from_at + draw * (asked.to_at - asked.from_at)
    before = replace(asked, to_at=moment)
    found = _unreviewed(connection, before, **within) or _unreviewed(connection, asked, **within)
    if found is None:
        raise _nothing_left(asked)
    return found


def _unreviewed(connection: Connection, asked: Asked, **filters: Any) -> HistoryRow | None:
    query = HistoryQuery(**vars(asked), is_reviewed=False, limit=1, **filters)
    return next(iter(history(connection, query)), None)


def _nothing_left(asked: Asked) -> NotFoundError:
    return NotFoundError(f"nothing of line {asked.line!r} is left to review in this time")


def _decided(
    connection: Connection, line: int, found: Mapping[int, Source], asked: Asked
) -> dict[tuple[int, str], Counter[tuple[int, Decision]]]:
    """Count newest reviews of rows that are there, by version, verdict, bin and decision."""
    inspection = tables.inspections.c
    bin_ = bin_column()
    statement = (
        select(inspection.source_id, inspection.verdict, bin_, inspection.review, func.count())
        .where(
            inspection.line_id == line,
            inspection.captured_at >= asked.from_at,
            inspection.captured_at < asked.to_at,
            inspection.review.in_([decision.value for decision in Decision]),
        )
        .group_by(inspection.source_id, inspection.verdict, bin_, inspection.review)
    )
    decided: defaultdict[tuple[int, str], Counter[tuple[int, Decision]]] = defaultdict(Counter)
    for source_id, verdict, score_bin, review, count in connection.execute(statement):
        source = found.get(source_id)
        if source is not None and source.threshold_id is not None:
            cell = min(HIGHEST, max(LOWEST, int(score_bin))), Decision(review)
            decided[source.threshold_id, verdict][cell] += count
    return decided


def _versions(connection: Connection, judged: Mapping[int, list[Judged]]) -> list[VersionRates]:
    statement = selected().where(tables.thresholds.c.id.in_(sorted(judged)))
    rows = connection.execute(statement.order_by(tables.thresholds.c.id.desc()))
    return [
        VersionRates(threshold=threshold_of(row), rates=rates_of(judged[row.id])) for row in rows
    ]
