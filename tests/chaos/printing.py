"""What a storm came to, for people and for machines."""

from collections import Counter
from collections.abc import Collection
from statistics import median, quantiles
from typing import Any

from tests.chaos import partition
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


def partition_figures(report: partition.Report) -> dict[str, Any]:
    """Return the figures of a partition."""
    return {
        "cut_off_from": report.of,
        "seconds": report.seconds,
        "frames": report.frames,
        "lost": len(report.lost),
        "doubled": len(report.doubled),
        "verify_is_balanced": not report.exit_code,
        "alerts": report.telling and report.telling.alert_count,
        "frames_without_alert": report.telling and report.telling.frames_without_alert,
        "notifications_untold": report.untold,
        "cuts": {
            "old connections go on" if cut.is_old_revived else "old connections stay silent": {
                "recovery_s": round(cut.recovery_s, 1),
                "drained_s": round(cut.drained_s, 1),
            }
            for cut in report.cuts
        },
        "peaks_mb": report.peaks_mb,
    }


def table(report: Report) -> str:
    """Return the figures of a storm as lines for people."""
    shown = lines(figures(report), is_good=report.is_good)
    for what, names in (("lost", report.lost), ("doubled", report.doubled)):
        if names:
            shown += f"\n{what}: {', '.join(names[:50])}"
    return shown


def lines(found: dict[str, Any], *, is_good: bool) -> str:
    """Return figures as lines for people."""
    shown = [f"{name:>24}  {_shown(value)}" for name, value in found.items()]
    shown.append("every promise was kept" if is_good else "A PROMISE WAS BROKEN")
    return "\n".join(shown)


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
