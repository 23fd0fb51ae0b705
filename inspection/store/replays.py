"""Parts and alerts of a what-if question, from every frame of its line in the period.

The line is gone through in slices of time, so that whoever waits sees how far it has come, and may
leave; at no time more than one slice is in memory. All of it is of one moment of the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, func, select

from inspection.domain.alert import AlertKind
from inspection.domain.replay import LEFT_OUT, NgReplay, RuleReplay, needs_all, replay_of
from inspection.domain.rule import Rule
from inspection.domain.what_if import Question
from inspection.store.database import Database
from inspection.store.lines import get_line
from inspection.store.replay_frames import FrameReader
from inspection.store.replay_parts import count_parts
from inspection.store.rule_replays import NgWatch, RateWatch
from inspection.store.score_queries import EPOCH, MICROSECOND, Sources, sources_of, within
from inspection.store.tables import inspections

#: Frames of a slice, about.
SLICE_LENGTH: Final = 500_000
#: Of the work, what gives the alerts, and not the parts.
ALERTS_SHARE: Final = 0.4


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
        parts = count_parts(connection, question, sources)
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
        self._befores = [_watch_of(before) for _, before, _ in self._replays]
        self._afters = [_watch_of(after) for _, _, after in self._replays]
        self._takes_all = needs_all(rules)

    def go_through(
        self, connection: Connection, question: Question, sources: Sources
    ) -> Iterator[float]:
        """See every frame that matters; give how much of the period is done, 0 to 1."""
        if not self._replays:
            return
        count = connection.scalar(_count(question, sources)) or 0
        slices = max(1, -(-count // SLICE_LENGTH))
        width = (question.to_at - question.from_at) / slices
        reader = FrameReader(connection, question, sources)
        passed_count = 0
        for number in range(slices):
            from_at = question.from_at + number * width
            to_at = question.to_at if number == slices - 1 else from_at + width
            if self._takes_all:
                before, after = reader.all(from_at, to_at, passed_count)
                passed_count += len(before.at)
            else:
                before, after = reader.ng(from_at, to_at)
            for watch in self._befores:
                watch.see(before)
            for watch in self._afters:
                watch.see(after)
            yield (number + 1) / slices
        end = (question.to_at - EPOCH) // MICROSECOND
        for _, *both in self._replays:
            for replay_ in both:
                replay_.end(end)

    def alerts(self) -> Iterator[RuleAlerts]:
        """Give what each rule would have opened."""
        for rule, before, after in self._replays:
            yield RuleAlerts(
                rule=rule.name,
                kind=rule.kind,
                before_at=tuple(EPOCH + at * MICROSECOND for at in before.opened_at),
                after_at=tuple(EPOCH + at * MICROSECOND for at in after.opened_at),
            )


def _watch_of(replay_: RuleReplay) -> NgWatch | RateWatch:
    return NgWatch(replay_) if isinstance(replay_, NgReplay) else RateWatch(replay_)


def _count(question: Question, sources: Sources) -> Select[int]:
    of_line = inspections.c.line_id == sources.line_id
    in_period = within(question.from_at, question.to_at)
    return select(func.count()).select_from(inspections).where(of_line, in_period)
