"""A replay opens the alerts that the alert worker opens, at the same moments."""

import random
from datetime import datetime, timedelta

import pytest

from inspection.alerting import worker
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope, Threshold
from inspection.domain.rule import Rule
from inspection.domain.what_if import Limit, Question
from inspection.store import ledger, lines, replays, thresholds
from inspection.store.alerts import AlertQuery, list_alerts
from inspection.store.database import Database
from inspection.store.replays import Progress, Replayed
from tests import factories
from tests.factories import NOON

LIMITS = {"line-1": 0.5, "line-2": 0.7}
RULES: tuple[Rule, ...] = (
    factories.rule(name="any", off_delay_s=4),
    factories.rule(name="few", k=2, n=4, off_delay_s=6),
    factories.rule(name="slow", k=2, n=5, on_delay_s=3, off_delay_s=5),
    factories.rule(
        AlertKind.RATE,
        name="rate",
        expected_rate=0.05,
        window_s=20,
        confidence=0.99,
        off_delay_s=7,
        least_count=2,
    ),
    factories.rule(
        AlertKind.RATE,
        name="slow-rate",
        expected_rate=0.02,
        window_s=30,
        confidence=0.99,
        on_delay_s=2,
        off_delay_s=3,
    ),
    factories.rule(name="off", is_enabled=False),
    factories.rule(AlertKind.TREND),
)


def record(
    database: Database, limits: dict[str, Threshold], scores: list[float], at: datetime
) -> None:
    """Record frames of both lines with the same scores, each judged by its line's limit."""
    entries = []
    for camera, limit in (("cam-1", limits["line-1"]), ("cam-2", limits["line-2"])):
        for place, score in enumerate(scores):
            number = int((at - NOON).total_seconds()) * 10 + place + 1
            who = {"camera": camera, "sequence_number": number, "captured_at": at}
            is_ng = score > (limit.value or 0)
            inspection = factories.inspection(
                **who, score=score, verdict=Verdict.NG if is_ng else Verdict.OK, threshold=limit
            )
            entries.append(factories.inspected(**who, inspection=inspection))
    with database.write() as connection:
        ledger.record(connection, entries, at=at)


def replayed(database: Database, question: Question) -> Replayed:
    *progress, result = replays.replay(database, question)
    assert all(isinstance(each, Progress) for each in progress)
    assert isinstance(result, Replayed)
    return result


def opened(database: Database, line: str, rule: str) -> list[datetime]:
    with database.read() as connection:
        alerts = list_alerts(connection, AlertQuery(line=line, limit=1000))
    return sorted(alert.opened_at for alert in alerts if alert.rule == rule)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("rules", [RULES, RULES[:2]], ids=["every frame", "NG frames"])
def test_replay_opens_the_alerts_that_the_worker_opens(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, rules: tuple[Rule, ...]
) -> None:
    monkeypatch.setattr(replays, "SLICE_LENGTH", 17)
    chance = random.Random(7)
    site = factories.site(
        lines=tuple(factories.line(name=line, rules=rules) for line in LIMITS),
        cameras=tuple(
            factories.camera(name=f"cam-{number}", line=f"line-{number}") for number in (1, 2)
        ),
        channels=(),
    )
    with sqlite_database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")
        limits = {
            line: thresholds.set_threshold(
                connection, Scope(line=line), value, at=NOON, by="test", reason=""
            )
            for line, value in LIMITS.items()
        }

    for second in range(90):
        at = NOON + timedelta(seconds=second)
        has_frame = chance.random() < 0.6
        if has_frame or any(rule.on_delay_s for rule in rules):
            worker.once(sqlite_database, at)
        if has_frame:
            is_bad = second % 50 < 15
            count = chance.choice((1, 1, 2))
            scores = [chance.gauss(0.6 if is_bad else 0.2, 0.2) for _ in range(count)]
            record(sqlite_database, limits, scores, at)
            worker.once(sqlite_database, at)
    question = Question(
        scope=Scope(line="line-1"),
        limit=Limit(value=LIMITS["line-2"]),
        from_at=NOON,
        to_at=NOON + timedelta(seconds=89, microseconds=1),
    )
    result = replayed(sqlite_database, question)

    assert {each.rule for each in result.alerts} == {
        rule.name for rule in rules if rule.kind is not AlertKind.TREND and rule.is_enabled
    }
    for each in result.alerts:
        assert list(each.before_at) == opened(sqlite_database, "line-1", each.rule), each.rule
        assert list(each.after_at) == opened(sqlite_database, "line-2", each.rule), each.rule
        assert each.before_at
        assert each.before_at != each.after_at
    assert set(result.left_out) == {rule.name for rule in rules if rule.kind is AlertKind.TREND}
