"""Questions to inspections that both databases understand: times as numbers, verdicts anew."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
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
    #: Whether the scope is all of the line.
    is_all: bool
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
    is_all = all(place[name] is None for name in ("station_id", "camera_id", "product"))
    return Sources(line_id=place["line_id"], is_all=is_all, **groups)


def judged_anew(
    question: Question,
    sources: Sources,
    codes: Mapping[Verdict, int],
    before: ColumnElement[int],
) -> ColumnElement[int]:
    """Make the code of the verdict an inspection of the line would have had.

    Args:
        question: what is asked.
        sources: of its scope.
        codes: of verdicts.
        before: code of the verdict that it has.
    """
    row, value = inspections.c, question.limit.value
    is_ng = (row.score > (0.0 if value is None else value), codes[Verdict.NG])
    ways: list[tuple[frozenset[int], ColumnElement[int]]] = [
        (sources.judged, case(is_ng, else_=codes[Verdict.OK])),
        (sources.pending, literal(codes[Verdict.PENDING], Integer)),
    ]
    ways = [(ids, code) for ids, code in ways if ids]
    if sources.is_all and ways and not sources.untouched:
        # What is left is of these: nobody need look whether it is.
        before = ways.pop()[1]
    anew = [(of_sources(ids), code) for ids, code in ways]
    return case(*anew, else_=before) if anew else before


def within(from_at: datetime, to_at: datetime) -> ColumnElement[bool]:
    """Make the condition that an inspection's exposure was in a period."""
    row = inspections.c
    return (row.captured_at >= from_at) & (row.captured_at < to_at)


def of_sources(ids: Collection[int]) -> ColumnElement[bool]:
    """Make the condition that an inspection's score was counted with these sources."""
    return inspections.c.source_id.in_(sorted(ids))


def period_of(connection: Connection, width_s: int) -> ColumnElement[int]:
    """Make the hours or days since 1970 of an inspection's exposure."""
    at = inspections.c.captured_at
    if connection.dialect.name != "sqlite":
        return cast(func.floor(extract("epoch", at) / width_s), BigInteger)
    return cast(func.floor(cast(func.strftime("%s", at), BigInteger) / width_s), BigInteger)
