"""Looking whether the condition of a rule holds now, and what is known not to hold."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from inspection.alerting import summary
from inspection.domain.alert import AlertKind
from inspection.domain.health import CameraHealth, HealthState
from inspection.domain.rule import (
    BacklogCondition,
    CameraCondition,
    Condition,
    NgCondition,
    RateCondition,
    TrendCondition,
    UninspectedCondition,
)
from inspection.domain.trend import trend
from inspection.store import outbox, scores
from inspection.store.database import Database
from inspection.store.openings import Finding
from inspection.store.rules import LineRule

#: What was not looked at for so long, in seconds, says nothing about a camera.
EVIDENCE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at a rule has shown; of subjects in neither part nothing is known."""

    #: Where its condition holds, by subject.
    found: Mapping[str, Finding]
    #: Subjects where it does not.
    cleared: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a look has before it."""

    database: Database
    rule: LineRule
    #: Of the cameras of its line.
    health: Sequence[CameraHealth]
    now: datetime

    def evidence(self) -> list[CameraHealth]:
        """Return the cameras that were looked at a short while ago."""
        oldest_at = self.now - timedelta(seconds=EVIDENCE_S)
        known = [each for each in self.health if each.state is not HealthState.UNKNOWN]
        return [each for each in known if each.checked_at >= oldest_at]


def look(scene: Scene) -> Look:
    """Look whether the condition of a rule holds; only where frames matter, into the database."""
    condition = scene.rule.rule.condition
    match condition:
        case CameraCondition():
            return _cameras(scene, _is_down, summary.of_camera)
        case BacklogCondition(limit_s=limit_s):
            return _cameras(scene, lambda camera: camera.lag_s > limit_s, summary.of_backlog)
    with scene.database.read() as connection:
        match condition:
            case RateCondition():
                return _rate(connection, scene, condition)
            case TrendCondition():
                return _trends(connection, scene, condition)
        return _frames(connection, scene.rule, condition)


def _is_down(camera: CameraHealth) -> bool:
    return camera.state in (HealthState.STALLED, HealthState.BLIND)


def _cameras(
    scene: Scene, is_bad: Callable[[CameraHealth], bool], told: Callable[[CameraHealth], str]
) -> Look:
    known = scene.evidence()
    bad = [camera for camera in known if is_bad(camera)]
    return Look(
        found={c.camera: Finding(subject=c.camera, summary=told(c)) for c in bad},
        cleared=[camera.camera for camera in known if not is_bad(camera)],
    )


def _rate(connection: Connection, scene: Scene, condition: RateCondition) -> Look:
    rule, window_s = scene.rule, condition.window_s
    end_at = scores.window_end(connection, rule.line_id, scene.now)
    if end_at is None:
        return Look(found={})
    share = scores.share(connection, rule.line_id, end_at=end_at, window_s=window_s)
    if not condition.holds(ng_count=share.ng_count, judged_count=share.judged_count):
        return Look(found={}, cleared=("",))
    members = scores.newest_ng(connection, rule.line_id, end_at=end_at, window_s=window_s)
    finding = Finding(
        summary=summary.of_rate(rule.line, share, condition),
        members=members,
        frame_count=share.ng_count,
        frame=outbox.evidence(connection, members[0]),
    )
    return Look(found={"": finding})


def _trends(connection: Connection, scene: Scene, condition: TrendCondition) -> Look:
    found: dict[str, Finding] = {}
    cleared: list[str] = []
    for run in scores.runs(connection, scene.rule.line_id, n=condition.n):
        seen = (
            trend(run.scores, blocks=condition.blocks) if len(run.scores) == condition.n else None
        )
        if seen is None or not condition.holds(seen):
            cleared.append(run.camera)
            continue
        found[run.camera] = Finding(
            subject=run.camera,
            summary=summary.of_trend(scene.rule.line, run.camera, seen, n=condition.n),
            members=[run.ledger_id],
            frame=outbox.evidence(connection, run.ledger_id),
        )
    return Look(found=found, cleared=cleared)


def _frames(connection: Connection, rule: LineRule, condition: Condition) -> Look:
    """Look whether the newest frames still are what opens an alert."""
    if isinstance(condition, NgCondition):
        near = outbox.newest(connection, rule.line_id, n=condition.n)
        finding = ng_finding(connection, rule, near, slice(None))
        return _single(finding if condition.holds(near.is_ng) else None)
    if isinstance(condition, UninspectedCondition):
        unjudged = outbox.newest_unjudged(connection, rule.line_id)
        return _single(unjudged_finding(unjudged[-1]) if unjudged else None)
    return Look(found={})


def _single(finding: Finding | None) -> Look:
    return Look(found={}, cleared=("",)) if finding is None else Look(found={"": finding})


def ng_finding(
    connection: Connection, rule: LineRule, near: outbox.Neighbourhood, places: slice
) -> Finding | None:
    """Return what the NG inspections of a stretch are reason for; None when there are none."""
    seen = list(zip(near.ledger_ids[places], near.is_ng[places], strict=True))
    members = [ledger_id for ledger_id, is_ng in seen if is_ng]
    if not members:
        return None
    newest = outbox.evidence(connection, members[0])
    return Finding(
        summary=summary.of_ng(rule.line, ng_count=len(members), of_count=len(seen), newest=newest),
        members=members,
        frame=newest,
    )


def unjudged_finding(taken: outbox.Taken) -> Finding:
    """Return what a frame is reason for that opens an alert by itself."""
    is_drift = taken.kind is AlertKind.DRIFT
    told = summary.of_drift(taken) if is_drift else summary.of_uninspected(taken)
    return Finding(summary=told, members=[taken.ledger_id], frame=taken.frame)
