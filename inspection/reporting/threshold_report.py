"""Thresholds and answers of what-if questions, in keys and values.

This is what commands print and what the interface sends.
"""

from collections.abc import Sequence
from typing import Any

from inspection.domain.calibration import Promise
from inspection.domain.inspection import Verdict
from inspection.domain.what_if import PART_VERDICTS, Answer
from inspection.store.replays import Replayed
from inspection.store.threshold_list import Listed
from inspection.store.thresholds import scope_name
from inspection.store.what_if_examples import Example


def row_of(listed: Listed) -> dict[str, Any]:
    """Describe a version of a threshold."""
    threshold = listed.threshold
    scope = threshold.scope
    return {
        "scope": scope_name(scope),
        "line": scope.line,
        "product": scope.product,
        "station": scope.station,
        "camera": scope.camera,
        "version": threshold.version,
        "value": threshold.value,
        "differs_from_line": listed.differs_from_line,
        "is_in_force": listed.is_in_force,
        "effective_at": threshold.effective_at.isoformat(),
        "set_at": threshold.set_at.isoformat(),
        "set_by": threshold.set_by,
        "reason": threshold.reason,
        "checkpoint_hash": threshold.checkpoint_hash,
        "reference_hash": threshold.reference_hash,
        "promise": None if listed.promise is None else _promised(listed.promise),
    }


def short_row_of(listed: Listed) -> dict[str, Any]:
    """Describe a version of a threshold in the columns of a table."""
    row = row_of(listed)
    promise = listed.promise
    withdrawn = " (withdrawn)" if promise and promise.withdrawn_at else ""
    promised = f"<= {100 * promise.false_reject_rate:g} %{withdrawn}" if promise else None
    return {
        "scope": row["scope"],
        "version": row["version"],
        "value": "withdrawn" if row["value"] is None else repr(row["value"]),
        "differs": "yes" if listed.differs_from_line else "",
        "in force": "yes" if listed.is_in_force else "no",
        "effective_at": row["effective_at"],
        "set_by": row["set_by"],
        "reason": row["reason"],
        "false rejects": promised,
    }


def answer_of(answer: Answer) -> dict[str, Any]:
    """Describe what would have become of frames."""
    question, tally = answer.question, answer.tally
    names = {"ok": Verdict.OK, "ng": Verdict.NG, "pending": Verdict.PENDING}
    return {
        "scope": scope_name(question.scope),
        "value": question.limit.value,
        "checkpoint_hash": question.limit.checkpoint_hash,
        "reference_hash": question.limit.reference_hash,
        "version": answer.version,
        "from_at": question.from_at.isoformat(),
        "to_at": question.to_at.isoformat(),
        "frames": tally.frame_count,
        "untouched": answer.untouched_count,
        "now": {name: tally.before(verdict) for name, verdict in names.items()},
        "then": {name: tally.after(verdict) for name, verdict in names.items()},
        "flips": {
            f"{before}_to_{after}": tally.flipped(names[before], names[after])
            for before in names
            for after in names
            if before != after
        },
        "ng_per_hour": {
            "now": tally.before(Verdict.NG) / answer.hours,
            "then": tally.after(Verdict.NG) / answer.hours,
        },
        "spans": [
            {
                "begin_at": span.begin_at.isoformat(),
                "end_at": span.end_at.isoformat(),
                "ng_per_hour_now": span.ng_before_count / span.hours,
                "ng_per_hour_then": span.ng_after_count / span.hours,
            }
            for span in answer.spans
        ],
    }


def examples_of(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Describe frames that would flip."""
    return [
        {
            "inspection_id": each.inspection_id,
            "frame_id": each.frame_id,
            "captured_at": each.captured_at.isoformat(),
            "product": each.product,
            "part_serial": each.part_serial,
            "score": each.score,
            "now": each.before.value,
            "then": each.after.value,
            "distance": each.distance,
            "has_picture": each.has_picture,
        }
        for each in examples
    ]


def replay_of(replayed: Replayed) -> dict[str, Any]:
    """Describe what would have become of parts and alerts."""
    parts = replayed.parts
    return {
        "parts": {
            "now": {v: sum(n for (b, _), n in parts.items() if b == v) for v in PART_VERDICTS},
            "then": {v: sum(n for (_, a), n in parts.items() if a == v) for v in PART_VERDICTS},
            "flips": {
                f"{before}_to_{after}": count
                for (before, after), count in sorted(parts.items())
                if before != after
            },
        },
        "alerts": [
            {
                "rule": each.rule,
                "kind": each.kind.value,
                "now": len(each.before_at),
                "then": len(each.after_at),
            }
            for each in replayed.alerts
        ],
        "left_out": dict(replayed.left_out),
    }


def _promised(promise: Promise) -> dict[str, Any]:
    withdrawn_at = promise.withdrawn_at
    return {
        "false_reject_rate": promise.false_reject_rate,
        "confidence": promise.confidence,
        "good_count": promise.good_count,
        "withdrawn_at": None if withdrawn_at is None else withdrawn_at.isoformat(),
        "why": promise.withdrawn_why,
    }
