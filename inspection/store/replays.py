"""Parts and alerts of a what-if question, from every frame of its line in the period.

The line is gone through in slices of time, so that whoever waits sees how far it has come, and may
leave; at no time more than one slice is in memory. All of it is of one moment of the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Outcome
from inspection.domain.replay import LEFT_OUT, RuleReplay, needs_all, replay_of
from inspection.domain.rule import NgCondition, Rule
from inspection.domain.what_if import PART_VERDICTS, Question
from inspection.store.database import Database
from inspection.store.lines import get_line
from inspection.store.score_queries import (
    EPOCH,
    MICROSECOND,
    Sources,
    microseconds,
    of_sources,
    sources_of,
    verdict_anew,
    within,
)
from inspection.store.score_tables import score_sources
from inspection.store.tables import inspections, ledger

#: Frames of a slice, about.
SLICE_LENGTH: Final = 50_000
#: Of the work, what gives the alerts, and not the parts.
ALERTS_SHARE: Final = 0.6

#: How a verdict is written in what the database answers: NG, pending, or neither.
_CODES: Final = {Verdict.NG.value: 1, Verdict.PENDING.value: 2}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a replay has come."""

    #: Of the work, 0 to 1.
    share: float


@dataclass(frozen=True, kw_only=True)
class RuleAlerts:
    """The alerts of one rule: when each would have been opened."""

    rule: str
    kind: AlertKind
    #: By the verdicts there are.
    before_at: tuple[datetime, ...]
    #: By those of the question.
    after_at: tuple[datetime, ...]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What would have become of parts and alerts of a line."""

    #: Parts of the line by their verdict before and after, of `PART_VERDICTS`.
    parts: Mapping[tuple[str, str], int]
    #: Of the enabled rules whose alerts follow from verdicts.
    alerts: tuple[RuleAlerts, ...]
    #: Enabled rules whose alerts are not replayed, and why not.
    left_out: Mapping[str, str]


def replay(database: Database, question: Question) -> Iterator[Progress | Replayed]:
    """Go through the frames of a question's line; the result comes last.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
        UnavailableError: the database does not answer.
    """
    with database.read() as connection:
        sources = sources_of(connection, question)
        rules = [
            rule for rule in get_line(connection, question.scope.line).rules if rule.is_enabled
        ]
        watched = _Watched(rules)
        for share in watched.go_through(connection, question, sources):
            yield Progress(share=ALERTS_SHARE * share)
        parts = _parts(connection, question, sources)
    yield Replayed(
        parts=parts,
        alerts=tuple(watched.alerts()),
        left_out={rule.name: LEFT_OUT[rule.kind] for rule in rules if rule.kind in LEFT_OUT},
    )


class _Watched:
    """The rules of a line, each replayed by the verdicts there are and by those there would be."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._replays: list[tuple[Rule, RuleReplay, RuleReplay]] = []
        for rule in rules:
            before, after = replay_of(rule), replay_of(rule)
            if before is not None and after is not None:
                self._replays.append((rule, before, after))
        self._takes_all = needs_all(rules)
        self._takes_places = not self._takes_all and any(
            isinstance(rule.condition, NgCondition) and rule.condition.n > 1
            for rule, _, _ in self._replays
        )

    def go_through(
        self, connection: Connection, question: Question, sources: Sources
    ) -> Iterator[float]:
        """See every frame that matters; give how much of the period is done, 0 to 1."""
        if not self._replays:
            return
        count = connection.scalar(_count(sources, question.from_at, question.to_at)) or 0
        slices = max(1, -(-count // SLICE_LENGTH))
        width = (question.to_at - question.from_at) / slices
        befores = [before for _, before, _ in self._replays]
        afters = [after for _, _, after in self._replays]
        offset = 0
        for number in range(slices):
            from_at = question.from_at + number * width
            to_at = question.to_at if number == slices - 1 else from_at + width
            statement = self._frames(connection, question, sources).where(within(from_at, to_at))
            if self._takes_places:
                statement = _of_ng(statement)
            for place, (at, code, *given) in enumerate(connection.execute(statement), offset):
                before, after = divmod(code, 3)
                here = offset + given[0] if given else place
                for each in befores:
                    each.see(at, here, is_ng=before == 1, is_judged=before != 2)  # noqa: PLR2004
                for each in afters:
                    each.see(at, here, is_ng=after == 1, is_judged=after != 2)  # noqa: PLR2004
            offset += self._passed(connection, sources, from_at, to_at)
            yield (number + 1) / slices
        end = (question.to_at - EPOCH) // MICROSECOND
        for each in (*befores, *afters):
            each.end(end)

    def alerts(self) -> Iterator[RuleAlerts]:
        """Give what each rule would have opened."""
        for rule, before, after in self._replays:
            yield RuleAlerts(
                rule=rule.name,
                kind=rule.kind,
                before_at=tuple(EPOCH + at * MICROSECOND for at in before.opened_at),
                after_at=tuple(EPOCH + at * MICROSECOND for at in after.opened_at),
            )

    def _passed(
        self, connection: Connection, sources: Sources, from_at: datetime, to_at: datetime
    ) -> int:
        """Return how many inspections of the line a slice has, where places are counted."""
        if not (self._takes_places or self._takes_all):
            return 0
        return connection.scalar(_count(sources, from_at, to_at)) or 0

    def _frames(
        self, connection: Connection, question: Question, sources: Sources
    ) -> Select[*tuple[Any, ...]]:
        row, anew = inspections.c, verdict_anew(question, sources)
        code = 3 * _code(row.verdict) + _code(anew)
        order = (row.captured_at, row.ledger_id)
        statement = select(microseconds(connection).label("at"), code.label("code"))
        if not (self._takes_all or self._takes_places):
            return statement.where(_is_ng(question, sources)).order_by(*order)
        statement = statement.where(row.line_id == sources.line_id)
        if self._takes_places:
            place = func.row_number().over(order_by=order)
            return statement.add_columns(place.label("place"))
        return statement.order_by(*order)


def _is_ng(question: Question, sources: Sources) -> ColumnElement[bool]:
    """Make the condition that an inspection is NG, or would be, as the index of scores has it."""
    row, value = inspections.c, question.limit.value
    of_line = select(score_sources.c.id).where(score_sources.c.line_id == sources.line_id)
    is_ng = row.source_id.in_(of_line) & (row.verdict == Verdict.NG.value)
    if value is None:
        return is_ng
    others = (Verdict.OK.value, Verdict.PENDING.value)
    return or_(is_ng, of_sources(sources.judged) & row.verdict.in_(others) & (row.score > value))


def _of_ng(frames: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    row = frames.subquery().c
    # 1 is NG: 3 to 5 are NG before, 1, 4 and 7 after.
    return (
        select(row.at, row.code, row.place).where(row.code.in_((1, 3, 4, 5, 7))).order_by("place")
    )


def _count(sources: Sources, from_at: datetime, to_at: datetime) -> Select[int]:
    of_line = inspections.c.line_id == sources.line_id
    return select(func.count()).select_from(inspections).where(of_line, within(from_at, to_at))


def _code(verdict: ColumnElement[Any]) -> ColumnElement[int]:
    return case(_CODES, value=verdict, else_=0)


def _parts(
    connection: Connection, question: Question, sources: Sources
) -> dict[tuple[str, str], int]:
    """Count the parts of a line by their verdicts; without a serial number a frame is a part."""
    row, anew = inspections.c, verdict_anew(question, sources)
    ranks = {verdict: rank for rank, verdict in enumerate(PART_VERDICTS)}
    inspected = select(
        row.part_serial.label("serial"),
        case(ranks, value=row.verdict).label("before"),
        case(ranks, value=anew).label("after"),
    ).where(row.line_id == sources.line_id, within(question.from_at, question.to_at))
    rank = literal(ranks["uninspected"])
    uninspected = select(
        ledger.c.part_serial.label("serial"), rank.label("before"), rank.label("after")
    ).where(
        ledger.c.line_id == sources.line_id,
        # As the index says it.
        ledger.c.outcome != Outcome.INSPECTED.value,
        ledger.c.outcome == Outcome.UNINSPECTED.value,
        ledger.c.captured_at >= question.from_at,
        ledger.c.captured_at < question.to_at,
    )
    frame = union_all(inspected, uninspected).subquery().c
    worst = (
        select(func.max(frame.before).label("before"), func.max(frame.after).label("after"))
        .where(frame.serial.is_not(None))
        .group_by(frame.serial)
    )
    single = select(frame.before, frame.after).where(frame.serial.is_(None))
    part = union_all(worst, single).subquery().c
    statement = select(part.before, part.after, func.count().label("total"))
    rows = connection.execute(statement.group_by(part.before, part.after))
    return {(PART_VERDICTS[row.before], PART_VERDICTS[row.after]): row.total for row in rows}
