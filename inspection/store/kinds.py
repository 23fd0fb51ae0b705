"""Kinds of ledger rows, as accounts count them: outcome and why, by camera."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from inspection.domain.ledger import Entry, Inspected, Outcome, outcome_of
from inspection.store.tables import inspections, is_of_ledger, ledger

#: Outcome; verdict, reason or cause; and whether its number was given before.
Kind = tuple[Outcome, str, bool]


def kind_of(entry: Entry, *, is_repeated: bool) -> Kind:
    """Return as what an entry is counted."""
    outcome, reason, _ = outcome_of(entry)
    verdict = entry.inspection.verdict.value if isinstance(entry, Inspected) else ""
    return outcome, reason or verdict, is_repeated


def by_reason(kinds: Mapping[Kind, int], outcome: Outcome) -> dict[str, int]:
    """Return the rows of an outcome by reason."""
    counts: Counter[str] = Counter()
    for (of_outcome, reason, _), count in kinds.items():
        if of_outcome is outcome and count:
            counts[reason] += count
    return dict(counts)


def counted(connection: Connection, *conditions: ColumnElement[bool]) -> Counter[Kind]:
    """Count the rows for which `conditions` hold, by kind."""
    return Counter(
        {
            (Outcome(row.outcome), row.reason, row.is_repeated): row.row_count
            for row in connection.execute(by_kind().where(*conditions))
        }
    )


def by_kind(*of_inspections: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the statement that counts rows by kind, without conditions but on the inspections."""
    reason = func.coalesce(ledger.c.reason, inspections.c.verdict)
    kind = (ledger.c.outcome, reason.label("reason"), ledger.c.is_repeated)
    return (
        select(*kind, func.count().label("row_count"))
        .join_from(
            ledger, inspections, and_(is_of_ledger(inspections), *of_inspections), isouter=True
        )
        .group_by(*kind)
    )


def key_of(camera_id: int, kind: Kind) -> dict[str, Any]:
    """Return the key of a kind's counter."""
    outcome, reason, is_repeated = kind
    return {
        "camera_id": camera_id,
        "outcome": outcome.value,
        "reason": reason,
        "is_repeated": is_repeated,
    }
