"""What a storm came to, for people and for machines."""

from collections import Counter
from collections.abc import Collection
from statistics import median, quantiles
from typing import Any

from tests.chaos.storm import Report


def figures(report: Report) -> dict[str, Any]:
    """Return the figures of a storm."""
    outcomes = Counter(row.outcome for row in report.rows)
    reasons = Counter(row.reason for row in report.rows if row.reason is not None)
    return {
        "servers": report.plan.servers,
        "seed": report.plan.seed,
        "seconds": round(report.seconds),
        "kills": dict(Counter(kill.victim for kill in report.kills).most_common()),
        "frames": len(report.rows),
        **outcomes,
        "reasons": dict(reasons),
        "lost": len(report.lost),
        "doubled": len(report.doubled),
        "verify_is_balanced": not report.verified["exit_code"],
        "in_flight": report.account["in_flight"],
        "alerts": report.telling.alert_count,
        "frames_without_alert": report.telling.frames_without_alert,
        "notifications": len(report.telling.notification_ids),
        "notifications_untold": report.untold,
        "notifications_repeated": sum(report.received.values()) - len(report.received),
        "recovery_s": recovery(report),
        "undisturbed_recovery_s": recovery(report, undisturbed(report)),
        "peaks_mb": report.peaks_mb,
        "own_deaths": report.own_deaths,
    }


def undisturbed(report: Report) -> set[int]:
    """Return the places of kills that nothing else was recovering from meanwhile."""
    spans = [
        (kill.at.timestamp(), kill.at.timestamp() + (seconds or 0.0))
        for kill, seconds in zip(report.kills, report.recoveries_s, strict=True)
    ]
    return {
        place
        for place, (begin_s, end_s) in enumerate(spans)
        if all(
            other_end_s < begin_s or other_begin_s > end_s
            for other, (other_begin_s, other_end_s) in enumerate(spans)
            if other != place
        )
    }


def recovery(report: Report, places: Collection[int] | None = None) -> dict[str, dict[str, float]]:
    """Return median, p95 and maximum of the recovery times, over all and by victim.

    Args:
        report: of the storm.
        places: of the kills that count; None for all of them.
    """
    times: dict[str, list[float]] = {"all": []}
    for place, (kill, seconds) in enumerate(zip(report.kills, report.recoveries_s, strict=True)):
        if seconds is not None and (places is None or place in places):
            times["all"].append(seconds)
            times.setdefault(kill.victim, []).append(seconds)
    return {name: _spread(each) for name, each in times.items() if each}


def table(report: Report) -> str:
    """Return the figures as lines for people."""
    lines = [f"{name:>24}  {_shown(value)}" for name, value in figures(report).items()]
    for what, names in (("lost", report.lost), ("doubled", report.doubled)):
        if names:
            lines.append(f"{what}: {', '.join(names[:50])}")
    lines.append("every promise was kept" if report.is_good else "A PROMISE WAS BROKEN")
    return "\n".join(lines)


def _spread(seconds: list[float]) -> dict[str, float]:
    p95 = quantiles(seconds, n=20, method="inclusive")[18] if len(seconds) > 1 else seconds[0]
    return {
        "median": round(median(seconds), 1),
        "p95": round(p95, 1),
        "max": round(max(seconds), 1),
    }


def _shown(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "none"
