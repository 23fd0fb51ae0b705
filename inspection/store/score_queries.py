"""Questions to inspections that both databases understand: times as numbers, verdicts anew."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    case,
    cast,
    extract,
    func,
    literal,
    select,
)

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.domain.what_if import Question
from inspection.store.score_tables import score_sources
from inspection.store.tables import cameras, inspections, lines, stations, thresholds
from inspection.store.thresholds import located

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Sources of scores that a scope covers, by what a limit would have made of their frames."""

    line_id: int
    #: Compared with the limit.
    judged: frozenset[int]
    #: Pending: the limit is for other scores, or for none.
    pending: frozenset[int]
    #: As they are: more specific thresholds decided.
    untouched: frozenset[int]

    @property
    def ids(self) -> frozenset[int]:
        """All of them."""
        return self.judged | self.pending | self.untouched


def sources_of(connection: Connection, question: Question) -> Sources:
    """Return the sources of a question's scope.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
    """
    place, source, decided = located(connection, question.scope), score_sources.c, thresholds.c
    statement = (
        select(
            source.id,
            source.checkpoint_hash,
            source.reference_hash,
            source.threshold_id,
            decided.product,
            stations.c.name.label("station"),
            cameras.c.name.label("camera"),
        )
        .join_from(score_sources, lines, lines.c.id == source.line_id)
        .outerjoin(thresholds, decided.id == source.threshold_id)
        .outerjoin(stations, stations.c.id == decided.station_id)
        .outerjoin(cameras, cameras.c.id == decided.camera_id)
        .where(source.line_id == place["line_id"])
    )
    for name in ("station_id", "camera_id", "product"):
        if place[name] is not None:
            statement = statement.where(source[name] == place[name])
    found: dict[str, set[int]] = {"judged": set(), "pending": set(), "untouched": set()}
    for row in connection.execute(statement):
        decided_by = None
        if row.threshold_id is not None:
            decided_by = Scope(
                line=question.scope.line,
                product=row.product,
                station=row.station,
                camera=row.camera,
            )
        is_judge = question.limit.judges(
            checkpoint_hash=row.checkpoint_hash, reference_hash=row.reference_hash
        )
        kind = "judged" if is_judge else "pending"
        found[kind if question.has_say(decided_by) else "untouched"].add(row.id)
    groups = {name: frozenset(ids) for name, ids in found.items()}
    return Sources(line_id=place["line_id"], **groups)


def verdict_anew(question: Question, sources: Sources) -> ColumnElement[str]:
    """Make the verdict an inspection would have had."""
    row, value = inspections.c, question.limit.value
    ways: list[tuple[ColumnElement[bool], Any]] = []
    if sources.judged and value is not None:
        of_judged = row.source_id.in_(sorted(sources.judged))
        ways.append((of_judged & (row.score > value), _text(Verdict.NG)))
        ways.append((of_judged, _text(Verdict.OK)))
    if sources.pending:
        ways.append((row.source_id.in_(sorted(sources.pending)), _text(Verdict.PENDING)))
    return case(*ways, else_=row.verdict) if ways else row.verdict


def within(from_at: datetime, to_at: datetime) -> ColumnElement[bool]:
    """Make the condition that an inspection's exposure was in a period."""
    row = inspections.c
    return (row.captured_at >= from_at) & (row.captured_at < to_at)


def of_sources(ids: Collection[int]) -> ColumnElement[bool]:
    """Make the condition that an inspection's score was counted with these sources."""
    return inspections.c.source_id.in_(sorted(ids))


def microseconds(connection: Connection) -> ColumnElement[int]:
    """Make the exposure of an inspection in microseconds since 1970."""
    at = inspections.c.captured_at
    if connection.dialect.name != "sqlite":
        return cast(extract("epoch", at) * 1_000_000, BigInteger)
    # SQLite has the text `2026-03-02 12:00:00.123456`.
    fraction = cast(func.substr(cast(at, String), 21, 6), BigInteger)
    return cast(func.strftime("%s", at), BigInteger) * 1_000_000 + fraction


def period_of(connection: Connection, width_s: int) -> ColumnElement[int]:
    """Make the hours or days since 1970 of an inspection's exposure."""
    at = inspections.c.captured_at
    if connection.dialect.name != "sqlite":
        return cast(func.floor(extract("epoch", at) / width_s), BigInteger)
    return cast(func.floor(cast(func.strftime("%s", at), BigInteger) / width_s), BigInteger)


def _text(verdict: Verdict) -> ColumnElement[str]:
    return literal(verdict.value, String(16))
