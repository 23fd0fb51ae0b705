"""The one sentence that tells people what an alert is about."""

from typing import Final

from inspection.domain.alert import Alert, AlertKind
from inspection.domain.notification import AlertFrame
from inspection.store.outbox import Taken

#: Longest sentence on why a frame could not be judged that is repeated.
DETAIL_LIMIT: Final = 200

#: What an alert no longer finds when it is over.
_ABSENT: Final = {
    AlertKind.NG: "no NG part",
    AlertKind.UNINSPECTED: "no uninspected frame",
    AlertKind.DRIFT: "no threshold without its promise",
}


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


def of_calm(alert: Alert, *, group_s: float) -> str:
    """Say that an alert is over, and how many frames belonged to it."""
    what = _ABSENT[alert.kind]
    frames = "1 frame" if alert.frame_count == 1 else f"{alert.frame_count} frames"
    return f"line {alert.line}: {what} for {group_s:g} s; {frames} in all"


def _scores(score: float | None, threshold: float | None) -> str:
    if score is None or threshold is None:
        return f"score {score}, threshold {threshold}"
    shown = (f"{score:.4g}", f"{threshold:.4g}")
    if shown[0] == shown[1]:
        # Rounded, a score just above its threshold would look as if it were not.
        shown = (repr(score), repr(threshold))
    return f"score {shown[0]} > threshold {shown[1]}"
