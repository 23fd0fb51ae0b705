"""What may be asked of the history, and what that means in rows and in sources of scores."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from inspection.domain.inspection import Verdict
from inspection.store import tables
from inspection.store.cameras import camera_id
from inspection.store.columns import among
from inspection.store.histograms import hour_of
from inspection.store.history_cursor import Sort
from inspection.store.lines import line_id
from inspection.store.score_tables import daily_scores, score_sources

#: What a person may have decided about an inspection.
DECISIONS: Final = ("OK", "NG", "unsure")
#: Filters that sources of scores know as well, by the column of rows.
_OF_SOURCES: Final = ("line_id", "station_id", "camera_id", "product", "checkpoint_hash")


#: Columns of rows by name: of the table, or of a selection from it.
Columns = ReadOnlyColumnCollection[str, Any]


@dataclass(frozen=True, kw_only=True)
class HistoryFilter:
    """Which inspections are meant; None takes all."""

    line: str | None = None
    station: str | None = None
    camera: str | None = None
    product: str | None = None
    verdict: Verdict | None = None
    #: Anomaly scores from this one on …
    score_min: float | None = None
    #: … up to and including this one.
    score_max: float | None = None
    #: Exposures from this moment on …
    from_at: datetime | None = None
    #: … and before this one.
    to_at: datetime | None = None
    part_serial: str | None = None
    lot: str | None = None
    #: Hash of the checkpoint that scored them.
    checkpoint: str | None = None
    #: Row id of the version of a threshold that judged them.
    threshold_id: int | None = None
    #: Whether a person has decided about them.
    is_reviewed: bool | None = None
    #: What the newest review decided, one of `DECISIONS`.
    review: str | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """The filters that are set, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(HistoryFilter)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class HistoryQuery(HistoryFilter):
    """A page of the inspections that are meant."""

    sort: Sort = Sort.NEWEST
    #: `cursor` of the last row already shown; the rows after it follow.
    before: str | None = None
    #: Rows returned at most.
    limit: int = 50


class Sought:
    """A filter with the names in it looked up: conditions on rows, and on sources of scores."""

    def __init__(self, connection: Connection, asked: HistoryFilter) -> None:
        """Look the names up.

        Raises:
            NotFoundError: there is no such line or camera.
        """
        self.connection = connection
        self.asked = asked
        #: Columns of rows, and the value or values they must have.
        self.equal = _equal(connection, asked)

    @property
    def is_by_value(self) -> bool:
        """Whether a serial number, lot or review already leaves few rows, with an index to them."""
        few = (self.asked.part_serial, self.asked.lot, self.asked.review)
        return any(value is not None for value in few) or bool(self.asked.is_reviewed)

    @property
    def is_counted(self) -> bool:
        """Whether sources, verdicts and scores narrow the rows: histograms know how many."""
        asked = self.asked
        narrow = (asked.verdict, asked.score_min, asked.score_max, asked.threshold_id)
        return any(name in self.equal for name in _OF_SOURCES) or any(
            value is not None for value in narrow
        )

    @property
    def verdicts(self) -> list[str]:
        """The verdicts that are meant, for an index that has them before the score."""
        return list(Verdict) if self.asked.verdict is None else [self.asked.verdict.value]

    @cached_property
    def sources(self) -> list[int]:
        """Row ids of the sources that are meant and have rows on the days that are meant."""
        row, day = score_sources.c, daily_scores.c
        days = [day.source_id == row.id]
        if self.asked.from_at is not None:
            days.append(day.day >= hour_of(self.asked.from_at) // 24)
        if self.asked.to_at is not None:
            days.append(day.day <= hour_of(self.asked.to_at) // 24)
        has_rows = select(day.source_id).where(*days).exists()
        of_place = self._conditions(_OF_SOURCES, row)
        if self.asked.threshold_id is not None:
            of_place.append(row.threshold_id == self.asked.threshold_id)
        statement = select(row.id).where(*of_place, has_rows)
        return list(self.connection.scalars(statement))

    def place(self, columns: Columns) -> list[ColumnElement[bool]]:
        """Return the condition on line or camera that an index of time begins with, if any."""
        name = next((name for name in ("camera_id", "line_id") if name in self.equal), None)
        return [] if name is None else [columns[name] == self.equal[name]]

    def time(self, columns: Columns) -> list[ColumnElement[bool]]:
        """Return the conditions on the time of exposure."""
        at, asked = columns["captured_at"], self.asked
        conditions = [] if asked.from_at is None else [at >= asked.from_at]
        return conditions if asked.to_at is None else [*conditions, at < asked.to_at]

    def others(self, columns: Columns, *, is_of_sources: bool = False) -> list[ColumnElement[bool]]:
        """Return all conditions but those on time.

        Args:
            columns: of the rows, by name.
            is_of_sources: whether the rows are already those of `sources`.
        """
        names = [name for name in self.equal if not (is_of_sources and name in _OF_SOURCES)]
        conditions = self._conditions(names, columns)
        score = columns["score"]
        if self.asked.score_min is not None:
            conditions.append(score >= self.asked.score_min)
        if self.asked.score_max is not None:
            conditions.append(score <= self.asked.score_max)
        if self.asked.is_reviewed is False:
            conditions.append(columns["review"].is_(None))
        return conditions

    def _conditions(self, names: Iterable[str], columns: Columns) -> list[ColumnElement[bool]]:
        found = [(columns[name], self.equal[name]) for name in names if name in self.equal]
        return [
            among(self.connection, column, value) if isinstance(value, list) else column == value
            for column, value in found
        ]


def _equal(connection: Connection, asked: HistoryFilter) -> dict[str, Any]:
    equal: dict[str, Any] = {}
    if asked.line is not None:
        equal["line_id"] = line_id(connection, asked.line)
    if asked.station is not None:
        of_name = select(tables.stations.c.id).where(tables.stations.c.name == asked.station)
        equal["station_id"] = list(connection.scalars(of_name))
    if asked.camera is not None:
        equal["camera_id"] = camera_id(connection, asked.camera)
    if asked.is_reviewed and asked.review is None:
        # Listed, because an index begins with it.
        equal["review"] = list(DECISIONS)
    given = {
        "product": asked.product,
        "verdict": None if asked.verdict is None else asked.verdict.value,
        "part_serial": asked.part_serial,
        "lot": asked.lot,
        "checkpoint_hash": asked.checkpoint,
        "threshold_id": asked.threshold_id,
        "review": asked.review,
    }
    return equal | {name: value for name, value in given.items() if value is not None}
