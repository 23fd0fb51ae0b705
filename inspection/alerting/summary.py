"""The one sentence that tells people what an alert is about."""

from datetime import datetime
from typing import Final

from inspection.domain.alert import Alert, AlertKind, grown
from inspection.domain.health import CameraHealth
from inspection.domain.notification import AlertFrame, Event
from inspection.domain.rule import RateCondition
from inspection.domain.trend import Trend
from inspection.store.outbox import Taken
from inspection.store.scores import Share
from inspection.store.tellings import Due

#: Longest sentence on why a frame could not be judged that is repeated.
DETAIL_LIMIT: Final = 200

#: What an alert no longer finds when it is over.
_ABSENT: Final = {
    AlertKind.NG: "no NG part",
    AlertKind.RATE: "no more NG parts than expected",
    AlertKind.TREND: "scores do not rise",
    AlertKind.CAMERA: "neither stalled nor blind",
    AlertKind.BACKLOG: "no frame waits too long",
    AlertKind.UNINSPECTED: "no uninspected frame",
    AlertKind.DRIFT: "no threshold without its promise",
}
#: Kinds about frames that can be counted.
_COUNTED: Final = frozenset({AlertKind.NG, AlertKind.RATE, AlertKind.UNINSPECTED, AlertKind.DRIFT})


def of_ng(line: str, *, ng_count: int, of_count: int, newest: AlertFrame) -> str:
    """Say how many of the last parts of a line are NG, and how bad the newest of them is."""
    shown = f"{newest.frame_id}, {_scores(newest.score, newest.threshold)}"
    if of_count == 1:
        return f"line {line}: a part is NG: {shown}"
    return f"line {line}: {ng_count} of the last {of_count} parts are NG; newest {shown}"


def of_uninspected(taken: Taken) -> str:
    """Say which frame could not be judged, and why."""
    why = " ".join((taken.detail or "").split())
    if len(why) > DETAIL_LIMIT:
        why = why[: DETAIL_LIMIT - 1] + "…"
    start = f"line {taken.line}: frame {taken.frame.frame_id} could not be judged"
    return f"{start} ({taken.reason}): {why}" if why else f"{start} ({taken.reason})"


def of_drift(taken: Taken) -> str:
    """Say which threshold no longer promises anything, and why."""
    return f"line {taken.line}: {taken.detail}"


def of_rate(line: str, share: Share, condition: RateCondition) -> str:
    """Say how many parts of the window are NG, and how many were expected."""
    rate = 100 * share.ng_count / share.judged_count
    return (
        f"line {line}: {share.ng_count} of {share.judged_count} parts within "
        f"{_duration(condition.window_s)} are NG ({rate:.2g} %), where "
        f"{100 * condition.expected_rate:g} % are expected"
    )


def of_trend(line: str, camera: str, trend: Trend, *, n: int) -> str:
    """Say how far the scores of a camera have risen."""
    return (
        f"line {line}: scores of camera {camera} rise: from {trend.first:.4g} to {trend.last:.4g} "
        f"over the last {n}"
    )


def of_camera(health: CameraHealth) -> str:
    """Say what is wrong with a camera."""
    sentence = f"line {health.line}: camera {health.camera} is {health.state}"
    return f"{sentence}: {health.detail}" if health.detail else sentence


def of_backlog(health: CameraHealth) -> str:
    """Say how long frames of a camera wait."""
    return (
        f"line {health.line}: the oldest of {health.waiting_count} frames of camera "
        f"{health.camera} has waited for {_duration(health.lag_s)}"
    )


def of_due(due: Due, now: datetime) -> str:
    """Say what an open alert is about, and how it has grown or been left alone."""
    more = grown(due.more_count, since=due.since_at, now=now)
    told = f"{due.alert.summary}; {more}" if more else due.alert.summary
    if due.event is Event.ESCALATED:
        waited_s = due.rule.escalate_after_s or 0.0
        return f"{told}; nobody has acknowledged it for {_duration(waited_s)}"
    return told


def of_calm(alert: Alert, *, off_delay_s: float) -> str:
    """Say that an alert is over, and how many frames belonged to it."""
    about = f"line {alert.line}" + (f", camera {alert.subject}" if alert.subject else "")
    over = f"{about}: {_ABSENT[alert.kind]} for {off_delay_s:g} s"
    if alert.kind not in _COUNTED:
        return over
    frames = "1 frame" if alert.frame_count == 1 else f"{alert.frame_count} frames"
    more = alert.growth(alert.resolved_at or alert.last_at)
    return f"{over}; {frames} in all" + (f", {more}" if more else "")


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _scores(score: float | None, threshold: float | None) -> str:
    if score is None or threshold is None:
        return f"score {score}, threshold {threshold}"
    shown = (f"{score:.4g}", f"{threshold:.4g}")
    if shown[0] == shown[1]:
        # Rounded, a score just above its threshold would look as if it were not.
        shown = (repr(score), repr(threshold))
    return f"score {shown[0]} > threshold {shown[1]}"
